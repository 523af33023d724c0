/*
 * ground - one chain, Core and storage, all fast, and connectors on them that are made to die.
 * A ground is used for many points, one after the other; several grounds stand side by side.
 *
 *   const ground = await startGround();
 *   const { fired, problems } = await ground.point({ role: 'signer', mode: 'kill', at: 7 });
 *   await ground.stop();
 *
 * A point is one run of the scenario, with one call of one process trapped, and its verdict.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Wallet, hexlify } from 'ethers';
import { encodePayload, makeUser, shareOf, signer } from '../peers/core-answers.mjs';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { startFakeBucket } from '../peers/fakebucket.mjs';
import { startFakeChain } from '../peers/fakechain.mjs';
import { startFakeCore } from '../peers/fakecore.mjs';
import { freePort, removeDir, start, temporaryDir } from '../peers/process.mjs';
import { generations } from '../system/generations.mjs';
import { makeRequests } from '../system/requests.mjs';
import { program, toYaml } from '../system/world.mjs';
import { runPoint } from './point.mjs';
import { layTrap, roles } from './trap.mjs';

const generation = generations.httpz;
const profile = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'proto', 'profiles', 'httpz.yaml');
export const FINALIZED = 12; /* blocks behind the head */

/* What the chain is asked for is the same each time: these calls, ready to be sent. */
async function makeCalls({ chain, core, manager, httpz, asking }) {
  const [one, two, other] = await asking.makeCiphertexts([5, 8, 0], { keepBodies: true });
  const user = new Wallet(Wallet.createRandom().privateKey);
  const key = Buffer.concat([Buffer.from('2000000000000000', 'hex'), randomBytes(32)]);
  const contract = hexlify(randomBytes(20));
  const request = generation.userRequest({ contract, hostChainId: 12345n, publicKey: hexlify(key), user: user.address });
  const domain = decryptionDomain(chain.chainId, manager.target);
  const signature = await user.signTypedData(domain, typesOf('UserDecryptRequestVerification', generation.types), request.signed);
  const shares = [{ fheType: one.fheType, handle: one.handle, share: shareOf(key, one.body) }];
  const answer = makeUser({ domain, client: user.address, key, shares, extra: Buffer.alloc(0), schemes: [] }, signer(core.key), {});
  const to = (target, name, ...args) => ({ to: target.target, data: target.interface.encodeFunctionData(name, args) });
  const publicOf = (...set) => to(manager, ...((call) => [call[0], ...call[1]])(generation.publicCall([set], set.length)));
  return {
    two: { call: publicOf(one, two), materials: [one, two] },
    one: { call: publicOf(other), materials: [other] },
    user: { call: to(manager, 'userDecryptionRequest', ...request.args([one], signature)), expected: hexlify(encodePayload(answer.payload)) },
    key: (name, ...args) => to(httpz, name, ...args),
  };
}

export async function startGround() {
  const dir = temporaryDir('kms-crash');
  const started = [];
  const keep = (peer) => {
    started.push(peer);
    return peer;
  };
  const [chain, core, bucket] = await Promise.all([
    startFakeChain({ safe: FINALIZED / 2, finalized: FINALIZED }), startFakeCore(), startFakeBucket(),
  ].map((p) => p.then(keep)));
  const owner = await chain.wallet(1_000_000);
  const { httpz, manager } = await chain.deploy(owner, generation.contracts);
  const coprocessors = [{ address: Wallet.createRandom().address }];
  const asking = await makeRequests({ chain, bucket, core, owner, manager, keys: httpz, coprocessors, generation });
  await chain.setup([
    ['httpz', 'addCoprocessor', coprocessors[0].address, coprocessors[0].address, bucket.url()],
    ['httpz', 'setThresholds', 1, 1, 1],
    ['httpz', 'setCurrentKeyId', asking.keyId],
  ]);
  const self = {
    dir, chain, core, manager, httpz, generation, trap: layTrap(path.join(dir, 'bin')),
    calls: await makeCalls({ chain, core, manager, httpz, asking }),
    addresses: chain.addresses,
  };
  const monitorPort = await freePort();
  let made = 0;

  /** A node that nobody knows yet: an account, a journal, no store. */
  async function newNode() {
    const wallet = new Wallet(Wallet.createRandom().privateKey);
    await chain.fund(wallet.address, 100);
    await chain.setup([['httpz', 'addKmsNode', wallet.address, core.address, '127.0.0.1']]);
    const home = path.join(dir, `node-${++made}`);
    fs.mkdirSync(home);
    const keyFile = path.join(home, 'key');
    fs.writeFileSync(keyFile, `${wallet.privateKey.slice(2)}\n`, { mode: 0o600 });
    const config = {
      ...generation.config({
        chainId: chain.chainId, addresses: chain.addresses,
        urls: [{ name: 'gateway', url: chain.httpUrl }, { name: 'gateway-ws', url: chain.wsUrl }],
      }),
      profile, /* programs elsewhere do not find it by its name */
      start_block: (await chain.head()) + 1,
      kms_core_endpoint: core.endpoint, kms_signer_address: core.address, key_file: keyFile,
      data_dir: path.join(home, 'data'), runtime_dir: path.join(home, 'run'),
      monitor: { listen: `127.0.0.1:${monitorPort}` },
      s3_config: { allow_private: true }, retry_interval_secs: 1,
      finality: { keygen: 'latest', preprocess_ksk: 'finalized' },
    };
    const node = { home, wallet, address: wallet.address, dataDir: config.data_dir, since: (await chain.rpc('fake_ledger')).totals.received, configFile: path.join(home, 'config.yaml'), logFile: path.join(home, 'log'), transactions: 0 };
    fs.writeFileSync(node.configFile, toYaml(config));
    /* Commands are those of the built program: nobody traps them. */
    node.run = (binary, words, output) => start(binary, [...words, '-c', node.configFile], { env: { PATH: process.env.PATH }, output });
    node.cli = async (...words) => {
      const output = path.join(home, 'cli');
      fs.rmSync(output, { force: true });
      const { code } = await node.run(program, words, output).exited;
      return { code, output: fs.readFileSync(output, 'utf8') };
    };
    node.start = () => node.run(self.trap.program, ['run'], node.logFile);
    node.monitorUrl = `http://127.0.0.1:${monitorPort}`;
    node.log = () => (fs.existsSync(node.logFile) ? fs.readFileSync(node.logFile, 'utf8') : '');
    const { code, output } = await node.cli('key', 'init');
    if (code !== 0) throw new Error(`key init: exit ${code}: ${output}`);
    return node;
  }

  async function leave(one) {
    await chain.setup([['httpz', 'removeKmsNode', one.address]]);
    fs.rmSync(one.home, { recursive: true, force: true });
  }

  let node = null;
  /**
   * Runs one point; `fresh: false` goes on with the node of the last one.  What it gives is in
   * point.mjs.  A node whose point failed is not used again.
   */
  self.point = async (order) => {
    if (order.fresh !== false || !node || node.failed) {
      if (node) await leave(node);
      node = await newNode();
    }
    const result = await runPoint(self, node, order);
    node.failed = result.problems.length > 0;
    return { ...result, home: node.home };
  };
  /** role -> calls that it makes when nothing happens to anybody. */
  self.count = async (mode) => {
    const { problems } = await self.point({ role: null, mode, at: 0 });
    if (problems.length) throw new Error(`nothing was trapped, but ${problems.join('; ')}`);
    return Object.fromEntries(Object.keys(roles).map((role) => [role, self.trap.read(role).count]));
  };
  self.stop = async () => {
    self.trap.close();
    for (const peer of started.reverse()) await peer.stop();
    removeDir(dir);
  };
  return self;
}
