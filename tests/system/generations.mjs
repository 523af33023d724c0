/*
 * generations - what differs between the contracts of different profiles, as data: for worlds,
 * for those who ask, and for the judge.
 *
 *   contracts    rows for deploy(); `httpz` is the registry, `keys` names the one with key operations
 *   types        date of the EIP-712 types (eip712.mjs)
 *   keyKinds     key operation -> its functions and events; the name is the tag of its result ids too
 *   keyArgs      arguments of a request function, from those of every generation
 *   fheParams    FHE parameters by name, as they stand in events
 *   publicCall   [function, arguments] that ask for public decryptions of these sets of ciphertexts
 *   userRequest  what a user signs, and the arguments of the request with the signature
 *   config       lines of a configuration: the profile, its chain, its contracts
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZeroHash, hexlify, id as keccakOfText } from 'ethers';

const profiles = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'configs', 'profiles');

function keyKinds(words) {
  return Object.fromEntries(Object.entries(words).map(([kind, word]) => {
    const Word = word[0].toUpperCase() + word.slice(1);
    return [kind, {
      request: `${word}Request`, asked: `${Word}Request`, answer: `${word}Response`, answered: `${Word}Response`,
    }];
  }));
}

const handlesOf = (sets) => sets.flat().map((c) => hexlify(c.handle));
const pairsOf = (set, contract) => set.map((c) => [hexlify(c.handle), contract]);

const httpz = {
  contracts: [['httpz', 'HTTPZ'], ['manager', 'DecryptionManager', 'httpz'], ['access', 'AccessControl']],
  keys: 'httpz',
  types: 'today',
  keyKinds: keyKinds({
    preprocessKeygen: 'preprocessKeygen', preprocessKsk: 'preprocessKsk', keygen: 'keygen', crsgen: 'crsgen', ksk: 'ksk',
  }),
  keyArgs: (kind, args) => args,
  fheParams: (name) => [name],
  publicCall: (sets, size) => {
    return sets.length === 1 ? ['publicDecryptionRequest', [handlesOf(sets)]]
      : ['publicDecryptionRequests', [handlesOf(sets), size]];
  },
  userRequest: ({ contract, hostChainId, publicKey, user }) => ({
    signed: { publicKey, contractAddresses: [contract], contractsChainId: hostChainId },
    args: (set, signature) => [pairsOf(set, contract), user, publicKey, hostChainId, [contract], signature],
  }),
  config: ({ chainId, urls, addresses, access }) => ({
    profile: 'httpz',
    gwl2_url: urls,
    chain_id: chainId,
    decryption_manager_address: addresses.manager,
    httpz_address: addresses.httpz,
    ...(access && { access_control_address: addresses.access }),
    start_block: 0,
  }),
};

const chains = ({ chainId, urls }, contracts) => {
  return [{ name: 'gateway', id: chainId, urls, start_block: 0, contracts }];
};

const april = {
  ...httpz,
  contracts: [['httpz', 'AprilHTTPZ'], ['manager', 'AprilDecryptionManager', 'httpz'],
    ['keys', 'AprilKeyManager', 'httpz'], ['access', 'AprilACLManager']],
  keys: 'keys',
  types: '2025-04',
  keyKinds: keyKinds({
    preprocessKeygen: 'preprocessKeygen', preprocessKsk: 'preprocessKskgen', keygen: 'keygen', crsgen: 'crsgen', ksk: 'kskgen',
  }),
  keyArgs: (kind, args) => (kind === 'keygen' || kind === 'ksk' ? args : ['TEST', ...args]),
  fheParams: (name) => (name === 'TEST' ? ZeroHash : keccakOfText(name)),
  userRequest: ({ contract, hostChainId, publicKey, user }) => {
    const validity = [1740787200, 10];
    const [startTimestamp, durationDays] = validity;
    return {
      signed: { publicKey, contractAddresses: [contract], contractsChainId: hostChainId, startTimestamp, durationDays },
      args: (set, signature) => {
        return [pairsOf(set, contract), validity, hostChainId, [contract], user, publicKey, signature];
      },
    };
  },
  config: ({ addresses, access, ...chain }) => ({
    profile: 'httpz-2025-04',
    chains: chains(chain, {
      decryption_manager: addresses.manager, httpz: addresses.httpz, key_manager: addresses.keys,
      ...(access && { acl_manager: addresses.access }),
    }),
  }),
};

/* Key operations as the design document draws them. */
const literal = {
  ...httpz,
  contracts: [['httpz', 'HTTPZ'], ['manager', 'DecryptionManager', 'httpz'], ['keys', 'LiteralKeys']],
  config: ({ addresses, ...chain }) => ({
    profile: path.join(profiles, 'literal.yaml'),
    chains: chains(chain, { decryption_manager: addresses.manager, httpz: addresses.keys }),
  }),
};

/* Public decryptions alone: the events of its date say too little for user decryptions. */
const inline = {
  ...httpz,
  contracts: [['httpz', 'HTTPZ'], ['manager', 'InlineDecryptionManager', 'httpz']],
  publicCall: ([set], size, keyId) => {
    return ['publicDecryptionRequest', [set.map((c) => [hexlify(c.handle), keyId, hexlify(c.body)])]];
  },
  config: ({ addresses, ...chain }) => ({
    profile: path.join(profiles, 'inline.yaml'),
    chains: chains(chain, { decryption_manager: addresses.manager }),
  }),
};

export const generations = { httpz, 'httpz-2025-04': april, literal, inline };
