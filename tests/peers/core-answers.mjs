/*
 * core-answers - what the Core peer accepts and what it answers; no network, no memory.
 *
 * Each `check...` throws a CoreError for a request that a Core refuses and returns its id; each
 * `make...` builds the signed answer.  Twists, set through the control port, spoil an answer.
 */
import { createHash } from 'node:crypto';
import { SigningKey, computeAddress, getAddress, hexlify } from 'ethers';
import { typedDigest } from './eip712.mjs';
import { encodeResult, fheTypes, plaintextOf } from './plaintext.mjs';

export const status = Object.fromEntries([
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
  'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE',
  'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
].map((name, number) => [name, number]));

export class CoreError extends Error {
  constructor(name, details) {
    super(details);
    this.code = status[name];
    this.details = details;
  }
}

function refuse(why) {
  throw new CoreError('INVALID_ARGUMENT', why);
}

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const p of parts) hash.update(p);
  return hash.digest();
};

// ---- what comes in ----

export function checkId(message, what = 'request_id') {
  const id = message?.request_id ?? '';
  if (!/^[0-9a-f]{64}$/.test(id)) refuse(`${what} is not 64 lower-case hex digits: "${id}"`);
  return id;
}

function checksummed(text, what) {
  let right;
  try {
    right = getAddress(text.toLowerCase());
  } catch {
    refuse(`${what} is not an address: "${text}"`);
  }
  if (right !== text) refuse(`${what} has a wrong checksum: "${text}"`);
  return text;
}

function checkDomain(d) {
  if (!d) refuse('no domain');
  if (!d.name || !d.version) refuse('domain without name or version');
  if (d.chain_id.length !== 32) refuse(`domain chain_id has ${d.chain_id.length} bytes, not 32`);
  if (d.salt?.length) refuse('a salt is not expected in this domain');
  return {
    name: d.name,
    version: d.version,
    chainId: BigInt(hexlify(d.chain_id)),
    verifyingContract: checksummed(d.verifying_contract, 'verifying_contract'),
  };
}

function checkCiphertexts(list) {
  if (!list.length) refuse('no ciphertexts');
  return list.map((c, i) => {
    if (c.external_handle.length !== 32) refuse(`handle ${i} has ${c.external_handle.length} bytes`);
    if (!fheTypes[c.fhe_type]) refuse(`ciphertext ${i}: unknown fhe_type ${c.fhe_type}`);
    if (c.external_handle[30] !== c.fhe_type) {
      refuse(`ciphertext ${i}: fhe_type ${c.fhe_type}, but its handle says ${c.external_handle[30]}`);
    }
    if (!c.ciphertext.length) refuse(`ciphertext ${i} is empty`);
    return { fheType: c.fhe_type, handle: c.external_handle, body: c.ciphertext };
  });
}

function checkKey(message, known) {
  const id = checkId(message, 'key_id');
  if (known && !known.has(id)) throw new CoreError('NOT_FOUND', `no key with id ${id}`);
  return id;
}

/** The bodies are used here and not kept: what stays is their plaintext and a hash. */
export function checkPublic(request, known) {
  const id = checkId(request.request_id);
  const domain = checkDomain(request.domain);
  checkKey(request.key_id, known);
  const plaintexts = checkCiphertexts(request.ciphertexts).map(({ fheType, handle, body }) => {
    return { fheType, handle, bytes: plaintextOf(body, fheType) };
  });
  return { id, domain, plaintexts, extra: request.extra_data, schemes: request.signing_schemes };
}

export function checkUser(request, known) {
  const id = checkId(request.request_id);
  const domain = checkDomain(request.domain);
  checkKey(request.key_id, known);
  const client = checksummed(request.client_address, 'client_address');
  if (client === domain.verifyingContract) refuse('client_address is the verifying contract');
  if (!request.enc_key.length) refuse('no enc_key');
  const shares = checkCiphertexts(request.typed_ciphertexts).map(({ fheType, handle, body }) => {
    return { fheType, handle, share: shareOf(request.enc_key, body) };
  });
  const key = Buffer.from(request.enc_key);
  return { id, domain, client, key, shares, extra: request.extra_data, schemes: request.signing_schemes };
}

/** The signcrypted share of a body for a user's key: 64 bytes that depend on every byte of both. */
export function shareOf(encKey, body) {
  const first = sha256('share', encKey, body);
  return Buffer.concat([first, sha256('share', first)]);
}

export function checkPreproc(request) {
  const id = checkId(request.request_id);
  const type = request.keyset_config?.keyset_type ?? 0;
  return { id, type, domain: checkDomain(request.domain), extra: request.extra_data, schemes: request.signing_schemes };
}

export function checkKeygen(request) {
  const id = checkId(request.request_id);
  const preproc = checkId(request.preproc_id, 'preproc_id');
  const type = request.keyset_config?.keyset_type ?? 0;
  if (type === 1) {
    checkId(request.keyset_added_info?.from_keyset_id_decompression_only, 'from_keyset_id');
    checkId(request.keyset_added_info?.to_keyset_id_decompression_only, 'to_keyset_id');
  }
  const domain = checkDomain(request.domain);
  return { id, preproc, type, domain, extra: request.extra_data, schemes: request.signing_schemes };
}

export function checkCrsgen(request) {
  const id = checkId(request.request_id);
  const bits = request.max_num_bits || 2048;
  return { id, bits, domain: checkDomain(request.domain), extra: request.extra_data, schemes: request.signing_schemes };
}

// ---- what goes out ----

/**
 * The signer of a Core: a secp256k1 key, or for a while another one (twists.key); it signs the
 * types of a date (eip712.mjs), and what had none then not at all.
 */
export function signer(privateKey, date) {
  const own = new SigningKey(privateKey);
  const verificationKey = Buffer.from(own.compressedPublicKey.slice(2), 'hex');
  let other = null;
  return {
    address: computeAddress(own),
    verificationKey,
    sign(domain, name, value, twists) {
      let key = own;
      if (twists.key) {
        if (other?.privateKey !== twists.key) other = new SigningKey(twists.key);
        key = other;
      }
      const digest = typedDigest(domain, name, value, date);
      if (!digest) return Buffer.alloc(0);
      const external = Buffer.from(key.sign(digest).serialized.slice(2), 'hex');
      if (twists.badSignature) external.fill(0xff, 0, 32);
      if (twists.shortSignature) return external.subarray(0, 64);
      return external;
    },
  };
}

function signed(answer, external, schemes, twists) {
  answer.external_signature = twists.noExternalSignature ? Buffer.alloc(0) : external;
  answer.signatures = schemes.includes(0) && external.length ? [{ scheme: 0, signature: external }] : [];
  return answer;
}

const otherId = (id) => ((BigInt(`0x${id}`) + 1n) % (1n << 256n)).toString(16).padStart(64, '0');

export function makePublic(op, who, twists) {
  let list = op.plaintexts.map((p) => ({ ...p }));
  if (twists.plaintexts === 'missing') list = list.slice(0, -1);
  if (twists.plaintexts === 'extra') list.push(list[0]);
  if (twists.plaintexts === 'wrong') list[0].bytes = Buffer.from(list[0].bytes.map((b, i) => (i ? b : b ^ 1)));
  if (twists.plaintexts === 'type') list[0].fheType = list[0].fheType === 4 ? 5 : 4;
  if (twists.padTo) {
    for (const p of list) {
      const wide = Buffer.alloc(Math.max(twists.padTo, p.bytes.length));
      p.bytes.copy(wide);
      p.bytes = wide;
    }
  }
  const value = {
    ctHandles: op.plaintexts.map((p) => hexlify(p.handle)),
    decryptedResult: encodeResult(list),
    extraData: hexlify(op.extra),
  };
  const external = who.sign(op.domain, 'PublicDecryptVerification', value, twists);
  const answer = {
    signature: createHash('sha512').update(external).digest(),
    payload: {
      verification_key: who.verificationKey,
      plaintexts: list.map((p) => ({ bytes: p.bytes, fhe_type: p.fheType })),
      request_id: { request_id: twists.otherId ? otherId(op.id) : op.id },
    },
    extra_data: op.extra,
  };
  return signed(answer, external, op.schemes, twists);
}

/** The bytes of a user decryption payload that are signed and go to the chain. */
export function encodePayload(p) {
  const u32 = (n) => {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(n);
    return b;
  };
  const u64 = (n) => {
    const b = Buffer.alloc(8);
    b.writeBigUInt64LE(BigInt(n));
    return b;
  };
  const bytes = (b) => [u64(b.length), b];
  const parts = [...bytes(p.verification_key), ...bytes(p.digest), u64(p.signcrypted_ciphertexts.length)];
  for (const c of p.signcrypted_ciphertexts) {
    const type = Buffer.alloc(4);
    type.writeInt32LE(c.fhe_type);
    parts.push(type, ...bytes(c.signcrypted_ciphertext), ...bytes(c.external_handle), u32(c.packing_factor));
  }
  parts.push(u32(p.party_id), u32(p.degree));
  return Buffer.concat(parts);
}

export function makeUser(op, who, twists) {
  const handles = op.shares.map((s) => hexlify(s.handle));
  const link = { publicKey: hexlify(op.key), handles, userAddress: op.client };
  let list = op.shares;
  if (twists.plaintexts === 'missing') list = list.slice(0, -1);
  if (twists.plaintexts === 'extra') list = [...list, list[0]];
  const payload = {
    verification_key: who.verificationKey,
    digest: Buffer.from(typedDigest(op.domain, 'UserDecryptionLinker', link).slice(2), 'hex'),
    signcrypted_ciphertexts: list.map((s) => ({
      fhe_type: s.fheType,
      signcrypted_ciphertext: s.share,
      external_handle: s.handle,
      packing_factor: 1,
    })),
    party_id: 1,
    degree: 1,
  };
  const share = hexlify(encodePayload(payload));
  const value = {
    publicKey: hexlify(op.key),
    ctHandles: handles,
    userDecryptedShare: share,
    reencryptedShare: share,
    extraData: hexlify(op.extra),
  };
  const external = who.sign(op.domain, 'UserDecryptResponseVerification', value, twists);
  const answer = { signature: createHash('sha512').update(external).digest(), payload, extra_data: op.extra };
  return signed(answer, external, op.schemes, twists);
}

export function makePreproc(op, who, twists) {
  const value = { prepKeygenId: `0x${op.id}`, extraData: hexlify(op.extra) };
  const external = who.sign(op.domain, 'PrepKeygenVerification', value, twists);
  const id = twists.otherId ? otherId(op.id) : op.id;
  return signed({ preprocessing_id: { request_id: id } }, external, op.schemes, twists);
}

/** A standard key set has two digests; a decompression key has one, signed under its own type. */
export function makeKeygen(op, who, twists) {
  const digestOf = (what) => sha256('key', what, op.id);
  const kinds = op.type === 1 ? ['DecompressionKey'] : ['ServerKey', 'PublicKey'];
  const digests = kinds.map((key_type) => ({ key_type, digest: digestOf(key_type) }));
  let external;
  if (op.type === 1) {
    const value = { decompression_upgrade_key: hexlify(digests[0].digest) };
    external = who.sign(op.domain, 'FheDecompressionUpgradeKey', value, twists);
  } else {
    const value = {
      prepKeygenId: `0x${op.preproc}`,
      keyId: `0x${op.id}`,
      keyDigests: digests.map((d, keyType) => ({ keyType, digest: hexlify(d.digest) })),
      extraData: hexlify(op.extra),
    };
    external = who.sign(op.domain, 'KeygenVerification', value, twists);
  }
  const answer = {
    request_id: { request_id: twists.otherId ? otherId(op.id) : op.id },
    preprocessing_id: { request_id: op.preproc },
    key_digests: digests,
  };
  return signed(answer, external, op.schemes, twists);
}

export function makeCrsgen(op, who, twists) {
  const digest = sha256('crs', op.id);
  const value = {
    crsId: `0x${op.id}`,
    maxBitLength: op.bits,
    crsDigest: hexlify(digest),
    crs: hexlify(digest),
    extraData: hexlify(op.extra),
  };
  const external = who.sign(op.domain, 'CrsgenVerification', value, twists);
  const answer = {
    request_id: { request_id: twists.otherId ? otherId(op.id) : op.id },
    crs_digest: digest,
    max_num_bits: op.bits,
  };
  return signed(answer, external, op.schemes, twists);
}
