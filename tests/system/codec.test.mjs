/*
 * codec - our decoder of events and encoder of answers beside ethers': each kind's event encoded
 * there decodes to the same values here, each answer encoded here decodes to the same there.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { AbiCoder, Interface, concat, getAddress, hexlify, id as keccakOfText, keccak256, zeroPadValue } from 'ethers';
import { seeded } from './random.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const program = path.join(root, process.env.B ?? 'build', 'test', 'codec');
const chainId = 421614n;
const manager = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
const httpz = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512';
const times = 10000; /* for each kind */
const perRun = 500; /* lines at once */

const material = '(uint256 ctHandle, uint256 keyId, bytes32 snsCiphertextDigest, address[] coprocessorTxSenderAddresses)[] snsCtMaterials';
const params = '(string name) fheParams';

/* Written for this test from the contracts, not from the profile. */
const kinds = {
  public_decryption: [manager, `event PublicDecryptionRequest(uint256 indexed id, ${material})`,
    'function publicDecryptionResponse(uint256 publicDecryptionId, bytes decryptedResult, bytes signature)'],
  user_decryption: [manager, `event UserDecryptionRequest(uint256 indexed id, ${material}, address userAddress, bytes publicKey)`,
    'function userDecryptionResponse(uint256 userDecryptionId, bytes decryptedResult, bytes signature)'],
  preprocess_keygen: [httpz, `event PreprocessKeygenRequest(uint256 id, ${params})`,
    'function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId)', 'preprocessKeygen'],
  preprocess_ksk: [httpz, `event PreprocessKskRequest(uint256 id, ${params})`,
    'function preprocessKskResponse(uint256 preKskRequestId, uint256 preKskId)', 'preprocessKsk'],
  keygen: [httpz, `event KeygenRequest(uint256 id, ${params})`,
    'function keygenResponse(uint256 preKeyId, uint256 keyId)', 'keygen'],
  crsgen: [httpz, `event CrsgenRequest(uint256 id, ${params})`,
    'function crsgenResponse(uint256 crsgenRequestId, uint256 crsId)', 'crsgen'],
  ksk: [httpz, `event KskRequest(uint256 id, uint256 sourceKeyId, uint256 destKeyId, ${params})`,
    'function kskResponse(uint256 preKskId, uint256 kskId)', 'ksk'],
};

/* The program under test, as a function from lines to lines. */
function codec() {
  const child = spawn(program, [path.join(root, 'proto', 'profiles', 'httpz.yaml'), String(chainId), `decryption_manager=${manager}`, `httpz=${httpz}`,
    `access_control=${httpz}`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  let rest = '';
  child.stdout.setEncoding('latin1').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) waiting.shift()(line.trim());
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return {
    ask: (lines) => {
      const answers = lines.map(() => new Promise((resolve) => waiting.push(resolve)));
      child.stdin.write(`${lines.join('\n')}\n`);
      return Promise.all(answers);
    },
    end: () => {
      child.stdin.end();
      return ended;
    },
  };
}

const bare = (hex) => hex.slice(2).toLowerCase();
const word = (n) => bare(zeroPadValue(`0x${n.toString(16).padStart(64, '0')}`, 32));

function generators(random) {
  const bytes = (n) => Uint8Array.from({ length: n }, () => random.below(256));
  /* Often short, sometimes extreme. */
  const number = () => BigInt(hexlify(bytes([1, 8, 32][random.below(3)]))) * BigInt(random.below(8) > 0);
  const address = () => getAddress(hexlify(bytes(20)));
  const handle = () => {
    const h = bytes(32);
    h[30] = random.below(12);
    h[31] = 0;
    return BigInt(hexlify(h));
  };
  const list = (most, make) => Array.from({ length: 1 + random.below(most) }, make);
  const name = () => [['TEST', 1], ['test', 1], ['default', 0], ['', 0], ['DeFault', 0]][random.below(5)];
  return { bytes, number, address, handle, list, name };
}

/* Arguments of an event, and what the decoder must say of them. */
function eventOf(kind, tag, g) {
  const id = g.number();
  const core = tag ? bare(keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'uint256', 'address', 'uint256'],
    [keccakOfText(tag), chainId, httpz, id]))) : word(id);
  const head = `${kind} id=${word(id)} core_id=${core}`;
  if (!tag) {
    const key = g.number();
    const materials = g.list(4, () => [g.handle(), key, hexlify(g.bytes(32)), g.list(3, g.address)]);
    const user = g.address();
    const publicKey = hexlify(g.bytes(1 + g.bytes(1)[0]));
    const said = materials.map(([h, , digest, by]) => {
      return [`handle=${word(h)}`, `digest=${bare(digest)}`, ...by.map((a) => `by=${bare(a)}`)].join(' ');
    }).join(' ');
    const hash = bare(keccak256(concat(materials.map(([h]) => `0x${word(h)}`))));
    const isUser = kind === 'user_decryption';
    return {
      args: isUser ? [id, materials, user, publicKey] : [id, materials],
      said: `${head} key_id=${word(key)} handles_hash=${hash} ${said} `
        + `user=${isUser ? bare(user) : '00'.repeat(20)} public_key=${isUser ? bare(publicKey) : ''}`,
    };
  }
  const [params, value] = g.name();
  const keys = kind === 'ksk' ? [g.number(), g.number() + (1n << 200n)] : [0n, 0n];
  const pre = kind === 'keygen' || kind === 'ksk' ? id : 0n;
  return {
    args: [id, ...(kind === 'ksk' ? keys.map((k) => k % (1n << 256n)) : []), [params]],
    said: `${head} preprocessing_id=${word(pre)} source_key_id=${word(keys[0])} `
      + `destination_key_id=${word(keys[1] % (1n << 256n))} fhe_params=${value}`,
  };
}

for (const [kind, [contract, event, response, tag]] of Object.entries(kinds)) {
  test(`${kind}: ${times} events and ${times} answers`, async (t) => {
    const random = seeded();
    t.diagnostic(`SEED=${random.seed}`);
    const g = generators(random);
    const iface = new Interface([event, response]);
    const [name] = iface.fragments.filter((f) => f.type === 'event').map((f) => f.name);
    const [call] = iface.fragments.filter((f) => f.type === 'function');
    const ours = codec();
    for (let done = 0; done < times; done += perRun) {
      const events = Array.from({ length: perRun }, () => eventOf(kind, tag, g));
      const lines = events.map(({ args }) => {
        const { topics, data } = iface.encodeEventLog(name, args);
        return `event ${bare(contract)} ${topics.map(bare).join('')} ${bare(data)}`;
      });
      const said = await ours.ask(lines);
      events.forEach((e, i) => assert.equal(said[i], e.said));

      const answers = Array.from({ length: perRun }, () => ({
        id: g.number(), result: g.number(), bytes: hexlify(g.bytes(random.below(300))), signature: hexlify(g.bytes(65)),
      }));
      const calls = await ours.ask(answers.map((a) => {
        return `answer ${kind} ${word(a.id)} ${word(a.result)} ${bare(a.bytes)} ${bare(a.signature)}`;
      }));
      answers.forEach((a, i) => {
        const got = [...iface.decodeFunctionData(call, `0x${calls[i].replace(/^call=/, '')}`)];
        assert.deepEqual(got, tag ? [a.id, a.result] : [a.id, a.bytes, a.signature]);
      });
    }
    assert.equal(await ours.end(), 0);
  });
}
