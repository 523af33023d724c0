/*
 * eip712 - the typed data that a Core signs, through the ethers library.
 */
import { TypedDataEncoder, keccak256 } from 'ethers';

const types = {
  PublicDecryptVerification: 'bytes32[] ctHandles,bytes decryptedResult,bytes extraData',
  UserDecryptResponseVerification:
    'bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData',
  UserDecryptRequestVerification: 'bytes publicKey,address[] contractAddresses,uint256 contractsChainId',
  UserDecryptionLinker: 'bytes publicKey,bytes32[] handles,address userAddress',
  PrepKeygenVerification: 'uint256 prepKeygenId,bytes extraData',
  KeygenVerification: 'uint256 prepKeygenId,uint256 keyId,KeyDigest[] keyDigests,bytes extraData',
  KeyDigest: 'uint8 keyType,bytes digest',
  FheDecompressionUpgradeKey: 'bytes decompression_upgrade_key',
  CrsgenVerification: 'uint256 crsId,uint256 maxBitLength,bytes crsDigest,bytes extraData',
};

function fields(name) {
  return types[name].split(',').map((f) => {
    const [type, field] = f.split(' ');
    return { type, name: field };
  });
}

const encoders = {};
for (const name of Object.keys(types)) {
  const set = { [name]: fields(name) };
  if (types[name].includes('KeyDigest[]')) set.KeyDigest = fields('KeyDigest');
  encoders[name] = TypedDataEncoder.from(set);
}

const domains = new Map(); /* domain separators already hashed */

function separator(domain) {
  const key = JSON.stringify([domain.name, domain.version, String(domain.chainId), domain.verifyingContract]);
  let hash = domains.get(key);
  if (!hash) {
    hash = TypedDataEncoder.hashDomain(domain);
    if (domains.size > 1000) domains.clear();
    domains.set(key, hash);
  }
  return hash;
}

/** The domain of the decryption contract. */
export function decryptionDomain(chainId, manager) {
  return { name: 'DecryptionManager', version: '1', chainId, verifyingContract: manager };
}

/** The digest (hex) that is signed for a struct of the named type. */
export function typedDigest(domain, name, value) {
  return keccak256(`0x1901${separator(domain).slice(2)}${encoders[name].hash(value).slice(2)}`);
}

/** The types of one struct, as ethers' signTypedData wants them. */
export function typesOf(name) {
  return encoders[name].types;
}
