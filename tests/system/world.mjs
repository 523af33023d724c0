/*
 * world - everything that stands around one connector, started by one call: a chain with the
 * gateway contracts (behind a proxy), storage, a KMS Core, a registered node with its key, and a
 * configuration file.  The connector itself is the built program; only its processes, exit codes
 * and the chain are looked at.
 *
 *   const world = await startWorld();
 *   await world.startConnector();
 *   await world.ask(10, { types: [0, 5, 8] });
 *   await world.waitAnswered(10000);
 *   const { problems } = await world.judge();
 *   await world.stop();
 *
 * Everything started is ended by stop(), and also when this process ends without it.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Wallet, hexlify } from 'ethers';
import { startBucket } from '../peers/bucket.mjs';
import { startChain } from '../peers/chain.mjs';
import { deploy } from '../peers/contracts.mjs';
import { startCore } from '../peers/core.mjs';
import { startFakeBucket } from '../peers/fakebucket.mjs';
import { startFakeChain } from '../peers/fakechain.mjs';
import { startFakeCore } from '../peers/fakecore.mjs';
import { startFaultProxy } from '../peers/faultproxy.mjs';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { descendants, freePort, readProcess, removeDir, start, temporaryDir, until } from '../peers/process.mjs';
import { startProxy } from '../peers/tcpproxy.mjs';
import { generations } from './generations.mjs';
import { makeJudge, rawCollector } from './judge.mjs';
import { makeRequests } from './requests.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
export const program = process.env.KMS_CONNECTOR_BIN ?? path.join(root, 'build', 'bin', 'kms-connector');

/** A configuration as YAML: top-level keys and lists in lines, the rest in flow style. */
export function toYaml(config) {
  const flow = (v) => {
    if (Array.isArray(v)) return `[${v.map(flow).join(', ')}]`;
    if (v === null || typeof v !== 'object') return JSON.stringify(v);
    return `{${Object.entries(v).map(([k, x]) => `${k}: ${flow(x)}`).join(', ')}}`;
  };
  const lines = Object.entries(config).filter(([, v]) => v !== undefined).map(([k, v]) => {
    if (Array.isArray(v) && v.length) return `${k}:\n${v.map((x) => `  - ${flow(x)}`).join('\n')}`;
    return `${k}: ${flow(v)}`;
  });
  return `${lines.join('\n')}\n`;
}

/** Reports of sanitizers in a text, each up to its summary. */
export function reportsIn(text) {
  const lines = text.split('\n');
  const isFirst = (line) => /ERROR: (Address|Leak)Sanitizer|LeakSanitizer has encountered|runtime error: /.test(line);
  return lines.flatMap((line, i) => {
    if (!isFirst(line)) return [];
    const report = lines.slice(i, i + 40);
    const end = report.findIndex((one) => one.startsWith('SUMMARY: '));
    return [report.slice(0, end < 0 ? 10 : end).join('\n')];
  });
}

function hasFiles(dir) {
  return fs.existsSync(dir) && fs.readdirSync(dir).length > 0;
}

/**
 * Options:
 *   profile    whose contracts stand on the chain, by generations.mjs ('httpz')
 *   chain      options of startChain (blockTime, slots, persist, gasLimit, ...); fake: true and
 *              those of startFakeChain: the fast chain, with lies and a ledger (profile httpz); the
 *              connector has its second door and, by URL, those behind it
 *   core       options of startCore          bucket  options of startBucket
 *              fake: true in one of them: the fast peer, and options of startFakeCore or -Bucket
 *   proxy      false: the connector reaches the chain directly; the judge then cannot see
 *              what was signed but never mined
 *   onCall     sees each JSON-RPC call of the connector
 *   coreProxy, bucketProxy   true: a proxy stands before that peer too
 *   faultProxies  true: a proxy with faults (faultproxy.mjs) before each peer instead: world.proxies,
 *              one for each door of the fake chain but the first, coreProxy and bucketProxy; the
 *              fake chain's ledger has what was signed
 *   coprocessors  how many (3)               nodes   how many other KMS nodes are registered (0)
 *   thresholds [public, user, key]           register  false: our node is not registered
 *   funds      ether of our node's account (100)
 *   config     merged over the configuration (a key set to undefined is left out)
 *   binary     another program than the built one
 *   wrap       words before the program, for `run` and for commands: ['setpriv', '--reuid=..', ..]
 *   keep       true: the directory stays
 *
 * What a sanitizer says in the connector's log or a command's output is a problem for judge()
 * and an error of stop().
 */
export async function startWorld(options = {}) {
  const dir = temporaryDir('kms-world', options.keep);
  fs.chmodSync(dir, 0o755); /* the connector's processes may be other users */
  const world = { dir, connector: null, started: [], keep: options.keep };
  const keep = (peer) => {
    world.started.push(peer);
    return peer;
  };

  try {
    await build(world, options, keep);
  } catch (e) {
    await stopPeers(world);
    throw e;
  }
  addConnector(world, options);
  world.others = [];
  /**
   * A second connector in this world, of the same account unless `config` says otherwise: with its
   * own data_dir, runtime_dir, log and monitor port, and with what addConnector() gives a world.
   */
  world.another = async (config = {}) => {
    const dir = fs.mkdtempSync(path.join(world.dir, 'other-'));
    fs.chmodSync(dir, 0o755);
    const monitorPort = await freePort();
    const other = { dir, connector: null, started: [], keep: true, monitorPort, judge: world.judge };
    setConfig(other, { ...world.config, data_dir: path.join(dir, 'data'), runtime_dir: path.join(dir, 'run'),
      monitor: { listen: `127.0.0.1:${monitorPort}` }, ...config });
    addConnector(other, options);
    world.others.push(other);
    return other;
  };
  return world;
}

function setConfig(world, config) {
  world.configFile = path.join(world.dir, 'config.yaml');
  world.config = config;
  world.writeConfig = (change = {}) => {
    Object.assign(world.config, change);
    fs.writeFileSync(world.configFile, toYaml(world.config));
  };
  world.writeConfig();
}

async function build(world, options, keep) {
  const generation = generations[options.profile ?? 'httpz'];
  const names = Array.from({ length: options.coprocessors ?? 3 }, (_, i) => (i ? `ct128-${i + 1}` : 'ct128'));
  const [chain, core, bucket] = await Promise.all([
    options.chain?.fake ? startFakeChain({ doors: 2, ...options.chain }) : startChain(options.chain),
    (options.core?.fake ? startFakeCore : startCore)({ types: generation.types, ...options.core }),
    (options.bucket?.fake ? startFakeBucket : startBucket)({ process: true, buckets: names, ...options.bucket }),
  ].map((p) => p.then(keep)));
  const { faultProxies } = options;
  const raws = options.proxy === false || faultProxies ? null : rawCollector();
  const proxyOf = (port, more) => startProxy(port, more).then(keep);
  const faultsOf = (port, mode = 'http') => startFaultProxy(port, { mode }).then(keep);
  const onCall = (call) => {
    raws.see(call);
    options.onCall?.(call);
  };
  const [, ...behind] = chain.ports ?? [0, chain.port];
  const proxies = faultProxies ? await Promise.all(behind.map((port) => faultsOf(port))) : [];
  const [door, ...doors] = faultProxies ? proxies.map((p) => p.port) : behind;
  const proxy = raws ? await proxyOf(door, { countRpc: true, onCall }) : null;
  const before = (port, wanted, mode) => (faultProxies ? faultsOf(port, mode) : wanted ? proxyOf(port) : null);
  const coreProxy = await before(core.port, options.coreProxy, 'h2');
  const bucketProxy = await before(bucket.port, options.bucketProxy);

  const owner = await chain.wallet(1_000_000);
  const node = new Wallet(Wallet.createRandom().privateKey, chain.provider);
  await chain.fund(node.address, options.funds ?? 100);
  const contracts = await (chain.deploy ?? deploy)(owner, generation.contracts);
  const { httpz, manager, access } = contracts;
  const keys = contracts[generation.keys];
  const coprocessors = names.map((name) => ({
    name,
    address: Wallet.createRandom().address,
    url: `http://127.0.0.1:${(bucketProxy ?? bucket).port}/${name}`,
  }));
  const asking = await makeRequests({ chain, bucket, core, owner, manager, keys, coprocessors, generation });
  const nodes = Array.from({ length: options.nodes ?? 0 }, () => ({
    wallet: new Wallet(Wallet.createRandom().privateKey, chain.provider),
    signer: new Wallet(Wallet.createRandom().privateKey),
  }));

  Object.assign(world, {
    chain, core, bucket, proxy, proxies, coreProxy, bucketProxy, owner, node, httpz, manager, keys, access,
    contracts, coprocessors, nodes, raws, generation,
    requests: asking.requests,
    ask: asking.ask,
    askUser: asking.askUser,
    askKey: asking.askKey,
    makeCiphertexts: asking.makeCiphertexts,
    send: asking.send,
    resync: asking.resync,
    recount: asking.recount,
    publicCall: asking.publicCall,
    signAsOwner: asking.sign,
    ...makeJudge({ chain, requests: asking.requests, node, core, manager, keys, generation, raws }),
  });
  const contractOf = (name) => (name === 'keys' || name === 'HTTPZ' ? keys : manager);
  /** Any event of a contract ('manager' or 'keys'), as if the contract had emitted it itself. */
  world.emitRaw = async (name, event, ...args) => {
    const contract = contractOf(name);
    const { topics, data } = contract.interface.encodeEventLog(event, args);
    const size = data.length / 2 - 1;
    const short = data.replace(/(00)+$/, ''); /* zeros are made there: a transaction is short */
    const call = contract.interface.encodeFunctionData('emitPadded', [topics, short, size]);
    return asking.sendAll([{ to: contract.target, data: call, gasLimit: 200_000_000 }]);
  };
  world.registerNode = (identity = core.address) => {
    return asking.send(httpz, 'addKmsNode', node.address, identity, '127.0.0.1');
  };
  world.removeNode = () => asking.send(httpz, 'removeKmsNode', node.address);
  world.asNode = (name) => contractOf(name).connect(node);

  /** The answer of another registered node (by its number) to a decryption that was asked for. */
  world.answerAs = async (number, name) => {
    const { wallet, signer } = nodes[number];
    const { kind, id, handles, expected, publicKey } = asking.requests.get(name);
    const user = kind === 'user';
    const type = typesOf(user ? 'UserDecryptResponseVerification' : 'PublicDecryptVerification', generation.types);
    const result = user ? hexlify(randomBytes(100)) : expected;
    const signature = await signer.signTypedData(decryptionDomain(chain.chainId, manager.target), type, user
      ? { publicKey, ctHandles: handles, userDecryptedShare: result, reencryptedShare: result, extraData: '0x' }
      : { ctHandles: handles, decryptedResult: result, extraData: '0x' });
    await chain.fund(wallet.address, 1);
    const as = manager.connect(wallet);
    const send = user ? as.userDecryptionResponse : as.publicDecryptionResponse;
    return (await send(id, result, signature)).wait();
  };

  await asking.sendAll([
    ...coprocessors.map((c) => ['addCoprocessor', [c.address, c.address, c.url]]),
    ...nodes.map((n) => ['addKmsNode', [n.wallet.address, n.signer.address, '127.0.0.1']]),
    ['setThresholds', options.thresholds ?? [1, 1, 1]],
    ['setCurrentKeyId', [asking.keyId], keys],
    ...(options.register === false ? [] : [['addKmsNode', [node.address, core.address, '127.0.0.1']]]),
  ].map(([name, args, contract = httpz]) => ({
    to: contract.target, gasLimit: 1_000_000, data: contract.interface.encodeFunctionData(name, args),
  })));

  world.keyFile = path.join(world.dir, 'key');
  fs.writeFileSync(world.keyFile, `${node.privateKey.slice(2)}\n`, { mode: 0o600 });
  world.monitorPort = await freePort();
  const front = proxy ?? { httpUrl: `http://127.0.0.1:${door}`, wsUrl: `ws://127.0.0.1:${door}` };
  const network = {
    chainId: chain.chainId,
    urls: [{ name: 'gateway', url: front.httpUrl }, { name: 'gateway-ws', url: front.wsUrl },
      ...doors.map((port) => ({ name: `gateway-${port}`, url: `http://127.0.0.1:${port}` }))],
    addresses: Object.fromEntries(Object.entries(contracts).map(([name, c]) => [name, c.target])),
  };
  setConfig(world, {
    ...generation.config(network),
    kms_core_endpoint: coreProxy ? coreProxy.httpUrl : core.endpoint,
    kms_signer_address: core.address,
    key_file: world.keyFile,
    data_dir: path.join(world.dir, 'data'),
    runtime_dir: path.join(world.dir, 'run'),
    monitor: { listen: `127.0.0.1:${world.monitorPort}` },
    s3_config: { allow_private: true }, /* the buckets' URLs are loopback */
    ...options.config,
  });
  /** The access control's address goes into the configuration. */
  world.useAccessControl = () => world.writeConfig(generation.config({ ...network, access: true }));
}

/**
 * A further node of a world's network: a Core, a key and a connector of its own on the same chain.
 * What it has is what a world has of these: core, node, config, startConnector(), cli(), judge(), ...
 */
export async function joinWorld(world, options = {}) {
  const dir = temporaryDir('kms-node');
  const core = await startCore(options.core);
  const node = new Wallet(Wallet.createRandom().privateKey, world.chain.provider);
  const { chain, manager, httpz, keys, generation, requests } = world;
  const self = { dir, connector: null, started: [core], core, node, chain, manager, httpz, requests };
  try {
    await chain.fund(node.address, 100);
    await world.send(httpz, 'addKmsNode', node.address, core.address, '127.0.0.1');
    self.keyFile = path.join(dir, 'key');
    self.configFile = path.join(dir, 'config.yaml');
    fs.writeFileSync(self.keyFile, `${node.privateKey.slice(2)}\n`, { mode: 0o600 });
    self.monitorPort = await freePort();
    self.config = {
      ...world.config,
      gwl2_url: [{ name: 'gateway', url: chain.httpUrl }, { name: 'gateway-ws', url: chain.wsUrl }],
      kms_core_endpoint: core.endpoint, kms_signer_address: core.address, key_file: self.keyFile,
      data_dir: path.join(dir, 'data'), runtime_dir: path.join(dir, 'run'),
      monitor: { listen: `127.0.0.1:${self.monitorPort}` }, ...options.config,
    };
    fs.writeFileSync(self.configFile, toYaml(self.config));
    Object.assign(self, makeJudge({ chain, requests, node, core, manager, keys, generation }));
  } catch (e) {
    await stopPeers(self);
    throw e;
  }
  addConnector(self, options);
  return self;
}

/* KMS_LOGS: the directory in which logs outlive their world, one file for each world. */
function keepLog(world) {
  if (!process.env.KMS_LOGS || !world.logFile || !fs.existsSync(world.logFile)) return;
  fs.mkdirSync(process.env.KMS_LOGS, { recursive: true });
  const name = `${path.basename(process.argv[1], '.test.mjs')}-${path.basename(world.dir)}.log`;
  fs.copyFileSync(world.logFile, path.join(process.env.KMS_LOGS, name));
}

async function stopPeers(world) {
  for (const peer of world.started.reverse()) await peer.stop();
  world.started = [];
  keepLog(world);
  if (!world.keep) removeDir(world.dir);
}

function addConnector(world, options) {
  const binary = options.binary ?? program;
  const env = { PATH: process.env.PATH, ...options.env };
  world.wrap = options.wrap ?? [];
  world.logFile = path.join(world.dir, 'connector.log');
  world.monitorUrl = `http://127.0.0.1:${world.monitorPort}`;

  const run = (words, more) => {
    const [first, ...rest] = [...world.wrap, binary, ...words, '-c', world.configFile];
    return start(first, rest, { env, ...more });
  };

  const reports = []; /* of commands */
  world.sanitizerReports = () => [...reports, ...reportsIn(world.log())];
  const judge = world.judge;
  world.judge = async (how) => {
    const verdict = await judge(how);
    verdict.problems.push(...world.sanitizerReports());
    return verdict;
  };

  /** One command of the program: { code, signal, output } (both outputs together). */
  world.cli = async (...words) => {
    const output = path.join(world.dir, `cli-${Date.now()}-${Math.random().toString(36).slice(2)}.log`);
    const how = await run(words, { output }).exited;
    if (how.error) throw how.error;
    const text = fs.readFileSync(output, 'utf8');
    fs.rmSync(output);
    reports.push(...reportsIn(text));
    return { code: how.code, signal: how.signal, output: text };
  };

  /** A command that goes on: a started program, its outputs in the file `output`. */
  world.background = (words, how) => {
    const one = run(words, how);
    world.started.push(one);
    return one;
  };

  /** Starts it; the first time the signer's journal is made by `key init`. */
  world.startConnector = async ({ init = true, args = [] } = {}) => {
    if (world.connector && !world.connector.ended) throw new Error('the connector runs already');
    if (init && !hasFiles(world.config.data_dir)) {
      const { code, output } = await world.cli('key', 'init');
      if (code !== 0) throw new Error(`key init: exit ${code}: ${output}`);
    }
    world.connector = run(['run', ...args], { output: world.logFile });
    return world.connector;
  };

  /** SIGTERM and wait: { code, signal }.  Children that outlive it by a second are `orphans`. */
  world.stopConnector = async (patienceMs = 15000) => {
    if (!world.connector) return null;
    const children = world.processes().filter((p) => p.pid !== world.connector.pid);
    const how = await world.connector.stop('SIGTERM', patienceMs);
    return { ...how, orphans: await reap(children) };
  };
  /** SIGKILL to the supervisor; its children must notice and leave. */
  world.killConnector = async () => {
    const children = world.processes().filter((p) => p.pid !== world.connector.pid);
    const how = await world.connector.kill();
    return { ...how, orphans: await reap(children, 3000) };
  };

  /* Waits for processes to be gone; kills what stays, by pid, and returns the names of those. */
  async function reap(list, patienceMs = 1500) {
    const here = () => list.filter((p) => {
      const now = readProcess(p.pid);
      return now && now.name === p.name && now.state !== 'Z';
    });
    await until('the connector\'s children are gone', () => here().length === 0, patienceMs, 20).catch(() => {});
    const left = here();
    for (const p of left) {
      try {
        process.kill(p.pid, 'SIGKILL');
      } catch {
        /* it left in this instant */
      }
    }
    return left.map((p) => p.name);
  }

  /** The connector's processes: [{ pid, name, ppid, state, cpuMs }], the supervisor first. */
  world.processes = () => {
    if (!world.connector || world.connector.ended) return [];
    const first = readProcess(world.connector.pid);
    return first ? [first, ...descendants(first.pid)] : [];
  };
  /** The process of a name (kms-executor, ...), or null. */
  world.processOf = (name) => world.processes().find((p) => p.name === name && p.state !== 'Z') ?? null;
  /** Waits until processes of all these names run. */
  world.waitProcesses = (names, timeoutMs = 5000) => until(`processes ${names.join(', ')}`, () => {
    return names.every((name) => world.processOf(name));
  }, timeoutMs, 10);
  /** Sends a signal to the process of a name; returns its pid. */
  world.signal = (name, signal = 'SIGKILL') => {
    const found = world.processOf(name);
    if (!found) throw new Error(`no process ${name}`);
    process.kill(found.pid, signal);
    return found.pid;
  };
  /** Memory (proportional set size) and processor time of each process. */
  world.usage = () => world.processes().map((p) => {
    let pssKb = 0;
    try {
      pssKb = Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${p.pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
    } catch {
      /* it left in this instant */
    }
    return { name: p.name, pid: p.pid, cpuMs: p.cpuMs, pssKb };
  });

  world.log = () => (fs.existsSync(world.logFile) ? fs.readFileSync(world.logFile, 'utf8') : '');
  world.waitLog = (pattern, timeoutMs = 5000) => {
    return until(`log line ${pattern}`, () => pattern.exec(world.log()), timeoutMs);
  };

  world.stop = async () => {
    for (const other of world.others ?? []) await other.stop();
    if (world.connector && !world.connector.ended) await world.stopConnector(5000);
    const found = world.sanitizerReports();
    await stopPeers(world);
    if (found.length) throw new Error(`a sanitizer found something:\n${found.join('\n')}`);
  };
}
