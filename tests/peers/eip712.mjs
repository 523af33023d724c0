/*
 * eip712 - the typed data that a Core and users sign, through the ethers library.
 *
 * Each struct has the name it has today; the contracts of another date may know it under another
 * type, or not at all (null).
 */
import { TypedDataEncoder, keccak256 } from 'ethers';

const today = {
  PublicDecryptVerification: 'PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)',
  UserDecryptResponseVerification: 'UserDecryptResponseVerification('
    + 'bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData)',
  UserDecryptRequestVerification: 'UserDecryptRequestVerification('
    + 'bytes publicKey,address[] contractAddresses,uint256 contractsChainId)',
  UserDecryptionLinker: 'UserDecryptionLinker(bytes publicKey,bytes32[] handles,address userAddress)',
  PrepKeygenVerification: 'PrepKeygenVerification(uint256 prepKeygenId,bytes extraData)',
  KeygenVerification: 'KeygenVerification('
    + 'uint256 prepKeygenId,uint256 keyId,KeyDigest[] keyDigests,bytes extraData)',
  FheDecompressionUpgradeKey: 'FheDecompressionUpgradeKey(bytes decompression_upgrade_key)',
  CrsgenVerification: 'CrsgenVerification(uint256 crsId,uint256 maxBitLength,bytes crsDigest,bytes extraData)',
};

const types = {
  today,
  '2025-04': {
    ...today,
    PublicDecryptVerification: 'PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult)',
    UserDecryptResponseVerification: 'UserDecryptResponseVerification('
      + 'bytes publicKey,bytes32[] ctHandles,bytes reencryptedShare)',
    UserDecryptRequestVerification: 'UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,'
      + 'uint256 contractsChainId,uint256 startTimestamp,uint256 durationDays)',
    PrepKeygenVerification: null,
    KeygenVerification: null,
    FheDecompressionUpgradeKey: null,
    CrsgenVerification: 'CRS(bytes crs)',
  },
};

const keyDigest = [{ type: 'uint8', name: 'keyType' }, { type: 'bytes', name: 'digest' }];

function encoderOf(text) {
  const [, name, members] = /^(\w+)\((.*)\)$/.exec(text);
  const fields = members.split(',').map((member) => {
    const [type, field] = member.split(' ');
    return { type, name: field };
  });
  const uses = members.includes('KeyDigest[]') ? { KeyDigest: keyDigest } : {};
  return TypedDataEncoder.from({ [name]: fields, ...uses });
}

const encoders = Object.fromEntries(Object.entries(types).map(([date, set]) => {
  return [date, Object.fromEntries(Object.entries(set).map(([name, text]) => [name, text && encoderOf(text)]))];
}));

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

/**
 * The digest (hex) that is signed for a struct; null where nobody signed it at that date.  The
 * value may have the members of every date.
 */
export function typedDigest(domain, name, value, date = 'today') {
  const encoder = encoders[date][name];
  return encoder && keccak256(`0x1901${separator(domain).slice(2)}${encoder.hash(value).slice(2)}`);
}

/** The types of one struct, as ethers' signTypedData wants them. */
export function typesOf(name, date = 'today') {
  return encoders[date][name].types;
}
