/*
 * core - a KMS Core as a test peer: a gRPC server with real signatures and no cryptography of
 * its own.  It knows only what it received: plaintexts come from the ciphertext bodies
 * (plaintext.mjs), and everything is in memory, so that a restart forgets all.
 *
 * As a program:  node tests/peers/core.mjs --port 0 --control-port 0 [--key HEX] [...]
 * prints one JSON line when ready: {"port":..,"controlPort":..,"address":".."}.
 * As a module:   startCore(options) runs that program and gives a handle to it.
 *
 * The control port takes POST / with a JSON object and answers with one; see control() below.
 */
import http from 'node:http';
import path from 'node:path';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import { Wallet } from 'ethers';
import * as answers from './core-answers.mjs';
import { CoreError, status } from './core-answers.mjs';
import { freePort, readyLine, start } from './process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const maxMessage = 100 * 1024 * 1024;

/** The services as @grpc/grpc-js knows them; also for tests that call the Core themselves. */
export function loadServices() {
  const loaded = grpc.loadPackageDefinition(protoLoader.loadSync(['core-service.proto', 'health.proto'], {
    includeDirs: [here],
    keepCase: true,
    longs: Number,
    defaults: true,
    arrays: true,
  }));
  return {
    core: loaded.kms_service.v1.CoreServiceEndpoint,
    health: loaded.grpc.health.v1.Health,
  };
}

/* One row for each kind of operation: its calls, how it checks and answers, and how long a result
 * call waits before it says UNAVAILABLE. */
const kinds = {
  public: ['PublicDecrypt', 'GetPublicDecryptionResult', answers.checkPublic, answers.makePublic, 60000],
  user: ['UserDecrypt', 'GetUserDecryptionResult', answers.checkUser, answers.makeUser, 60000],
  preproc: ['KeyGenPreproc', 'GetKeyGenPreprocResult', answers.checkPreproc, answers.makePreproc, 300000],
  keygen: ['KeyGen', 'GetKeyGenResult', answers.checkKeygen, answers.makeKeygen, 0],
  crsgen: ['CrsGen', 'GetCrsGenResult', answers.checkCrsgen, answers.makeCrsgen, 0],
};

const kept = 10000; /* finished decryptions a Core keeps */

function makeCore(options) {
  const who = answers.signer(options.key, options.types);
  const stores = Object.fromEntries(Object.keys(kinds).map((k) => [k, new Map()]));
  const settings = {
    delayMs: options.delayMs ?? 0,
    longPollMs: options.longPollMs ?? null,
    mode: options.mode ?? 'threshold',
    keys: options.keys ?? null,
    serving: true,
    twists: {},
  };
  let rules = [];
  let stats;
  let asked;
  let last = [];

  function resetStats() {
    stats = { calls: {}, errors: {}, bytes: 0, waiting: 0, waitingPeak: 0, duplicates: 0, forgotten: 0 };
    asked = Object.fromEntries(Object.keys(kinds).map((k) => [k, new Map()]));
    last = [];
  }
  resetStats();

  /** The first rule that meets this call, spent by one. */
  function findRule(stage, method, id) {
    const rule = rules.find((r) => {
      return (r.call === stage || r.call === 'any') && (!r.method || r.method === method)
        && (!r.ids || r.ids.includes(id)) && (!r.match || new RegExp(r.match).test(id));
    });
    if (rule?.count && --rule.count === 0) rules = rules.filter((r) => r !== rule);
    return rule;
  }

  function fail(callback, method, error) {
    const code = error.code ?? status.INTERNAL;
    const name = `${method}:${Object.keys(status)[code]}`;
    stats.errors[name] = (stats.errors[name] ?? 0) + 1;
    callback({ code, details: error.details ?? `Failed: ${error.message}` });
  }

  function finish(op) {
    if (op.gone) return;
    try {
      op.answer = kinds[op.kind][3](op.input, who, settings.twists);
    } catch (e) {
      op.error = new CoreError('INTERNAL', `Failed on requestID ${op.input.id}: ${e.message}`);
    }
    for (const wake of op.waiters) wake();
    op.waiters.clear();
    const store = stores[op.kind];
    if ((op.kind === 'public' || op.kind === 'user') && store.size > kept) {
      for (const [id, old] of store) {
        if (old.answer || old.error) {
          store.delete(id);
          break;
        }
      }
    }
  }

  /** Takes a new operation, or throws what a Core says to it. */
  function begin(kind, request) {
    if (settings.mode === 'centralized' && kind === 'preproc') {
      throw new CoreError('ABORTED', 'Key generation preprocessing is not supported in centralized mode');
    }
    const input = kinds[kind][2](request, settings.keys && new Set(settings.keys));
    const times = asked[kind].get(input.id) ?? 0;
    asked[kind].set(input.id, times + 1);
    if (times) stats.duplicates++;
    const store = stores[kind];
    if (store.has(input.id)) {
      throw new CoreError('ALREADY_EXISTS', `A request with id ${input.id} already exists`);
    }
    if (kind === 'keygen' && settings.mode !== 'centralized') {
      const pre = stores.preproc.get(input.preproc);
      if (!pre?.answer) throw new CoreError('NOT_FOUND', `no finished preprocessing ${input.preproc}`);
      stores.preproc.delete(input.preproc);
    }
    const op = { kind, input, answer: null, error: null, waiters: new Set(), gone: false };
    store.set(input.id, op);
    const delay = settings.delayMs?.[kind] ?? settings.delayMs;
    if (typeof delay === 'number' && delay > 0) op.timer = setTimeout(finish, delay, op);
    else setImmediate(finish, op);
    return op;
  }

  /** Answers now, or when the operation is done, or UNAVAILABLE when the wait is over. */
  function answer(call, callback, method, op, waitMs) {
    const say = () => {
      if (op.error) fail(callback, method, op.error);
      else if (op.gone) fail(callback, method, new CoreError('NOT_FOUND', `no request ${op.input.id}`));
      else callback(null, op.answer);
    };
    if (op.answer || op.error) return say();
    const early = () => fail(callback, method, new CoreError('UNAVAILABLE', `${op.input.id} is not ready`));
    if (!waitMs) return early();
    stats.waitingPeak = Math.max(stats.waitingPeak, ++stats.waiting);
    const leave = (next) => {
      if (!op.waiters.delete(wake)) return;
      clearTimeout(timer);
      stats.waiting--;
      if (next) next();
    };
    const wake = () => leave(say);
    const timer = setTimeout(() => leave(early), waitMs);
    op.waiters.add(wake);
    call.on('cancelled', () => leave(null));
    return undefined;
  }

  /** Keeps a request to be looked at: bytes as their length and their first 256 in hex. */
  function remember(method, request) {
    const plain = (v) => {
      if (Buffer.isBuffer(v)) return { length: v.length, hex: v.subarray(0, 256).toString('hex') };
      if (Array.isArray(v)) return v.map(plain);
      if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
      return v;
    };
    last.push({ method, request: plain(request) });
    if (last.length > 8) last.shift();
  }

  /** A call, with the rules of the control port before and after it. */
  function guarded(stage, method, kind, work) {
    return (call, callback) => {
      stats.calls[method] = (stats.calls[method] ?? 0) + 1;
      const request = call.request;
      const id = (stage === 'result' ? request.request_id : request.request_id?.request_id) ?? '';
      const rule = findRule(stage, method, id);
      const spoil = () => {
        if (rule.hang) return;
        fail(callback, method, new CoreError(rule.code ?? 'UNAVAILABLE', rule.message ?? 'as the test wants'));
      };
      if (rule && !rule.after) return spoil();
      try {
        if (rule) {
          if (stage === 'start') begin(kind, request);
          return spoil();
        }
        return work(call, callback, request);
      } catch (e) {
        return fail(callback, method, e);
      }
    };
  }

  function handlers() {
    const table = {};
    for (const [kind, [startName, resultName, , , waitMs]] of Object.entries(kinds)) {
      const wait = () => settings.longPollMs ?? waitMs;
      table[startName] = guarded('start', startName, kind, (call, callback, request) => {
        for (const c of request.ciphertexts ?? request.typed_ciphertexts ?? []) stats.bytes += c.ciphertext.length;
        if (options.record) remember(startName, request);
        begin(kind, request);
        callback(null, {});
      });
      table[resultName] = guarded('result', resultName, kind, (call, callback, request) => {
        const id = answers.checkId(request);
        const op = stores[kind].get(id);
        if (!op) throw new CoreError('NOT_FOUND', `no request with id ${id}`);
        answer(call, callback, resultName, op, wait());
      });
      if (options.sync && (kind === 'public' || kind === 'user')) {
        const syncName = `${startName}Sync`;
        table[syncName] = guarded('start', syncName, kind, (call, callback, request) => {
          const id = answers.checkId(request.request_id);
          answer(call, callback, syncName, stores[kind].get(id) ?? begin(kind, request), wait());
        });
      }
    }
    return table;
  }

  function forget() {
    for (const store of Object.values(stores)) {
      for (const op of store.values()) {
        op.gone = true;
        clearTimeout(op.timer);
        for (const wake of op.waiters) wake();
        stats.forgotten++;
      }
      store.clear();
    }
  }

  /**
   * What a test may tell the Core:
   *   {op:"set", delayMs, longPollMs, mode, keys, serving}  any of them; delayMs a number or by kind
   *   {op:"twist", key, otherId, plaintexts: "missing"|"extra"|"wrong"|"type", padTo, badSignature,
   *    shortSignature, noExternalSignature}                  replaces all twists; {} ends them
   *   {op:"fail", call: "start"|"result"|"any", method, code, message, count, ids, match, after, hang}
   *                                 adds a rule; `after` does the work first, `hang` never answers
   *   {op:"clear"}     no rules, no twists, no delay
   *   {op:"forget"}    as if restarted
   *   {op:"stats"}     {op:"resetStats"}   {op:"ids", kind}   {op:"last"} (started with record)
   */
  function control(message) {
    switch (message.op) {
      case 'set':
        for (const k of ['delayMs', 'longPollMs', 'mode', 'keys', 'serving']) {
          if (k in message) settings[k] = message[k];
        }
        return settings;
      case 'twist': {
        const { op, ...twists } = message;
        settings.twists = twists;
        return settings;
      }
      case 'fail':
        rules.push({ call: 'start', ...message });
        return { rules };
      case 'clear':
        rules = [];
        settings.twists = {};
        settings.delayMs = 0;
        settings.longPollMs = options.longPollMs ?? null;
        return settings;
      case 'forget':
        forget();
        return {};
      case 'stats': {
        const distinct = Object.fromEntries(Object.entries(asked).map(([k, m]) => [k, m.size]));
        return { ...stats, distinct, rss: process.memoryUsage().rss };
      }
      case 'resetStats':
        resetStats();
        return {};
      case 'ids':
        return Object.fromEntries(asked[message.kind]);
      case 'last':
        return { last };
      default:
        throw new Error(`unknown op: ${message.op}`);
    }
  }

  return { address: who.address, handlers, control, serving: () => settings.serving };
}

function serveControl(core, port) {
  const server = http.createServer(async (request, response) => {
    let code = 200;
    let body;
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      body = core.control(JSON.parse(Buffer.concat(parts).toString('utf8')));
    } catch (e) {
      code = 400;
      body = { error: e.message };
    }
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'control-port': { type: 'string', default: '0' },
      key: { type: 'string' },
      'delay-ms': { type: 'string' },
      'long-poll-ms': { type: 'string' },
      mode: { type: 'string' },
      sync: { type: 'boolean' },
      record: { type: 'boolean' },
      types: { type: 'string' },
      'tls-key': { type: 'string' },
      'tls-cert': { type: 'string' },
    },
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  const core = makeCore({
    key: values.key ?? Wallet.createRandom().privateKey,
    delayMs: number(values['delay-ms']),
    longPollMs: number(values['long-poll-ms']),
    mode: values.mode,
    sync: values.sync,
    record: values.record,
    types: values.types,
  });
  const services = loadServices();
  const server = new grpc.Server({
    'grpc.max_receive_message_length': maxMessage,
    'grpc.max_send_message_length': maxMessage,
  });
  server.addService(services.core.service, core.handlers());
  server.addService(services.health.service, {
    Check: (call, callback) => callback(null, { status: core.serving() ? 1 : 2 }),
  });
  const credentials = values['tls-key']
    ? grpc.ServerCredentials.createSsl(null, [{
      private_key: fs.readFileSync(values['tls-key']),
      cert_chain: fs.readFileSync(values['tls-cert']),
    }])
    : grpc.ServerCredentials.createInsecure();
  const port = await new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${values.port}`, credentials, (e, got) => (e ? reject(e) : resolve(got)));
  });
  const controlPort = await serveControl(core, Number(values['control-port']));
  process.stdout.write(`${JSON.stringify({ port, controlPort, address: core.address })}\n`);
}

/**
 * Runs a Core as a process.  Options: key (hex), port, delayMs, longPollMs, mode
 * ("centralized"), sync (offers the Sync calls), record (keeps the last requests), tls {key, cert},
 * types (the date of the EIP-712 types it signs: "2025-04").
 * The handle: endpoint, port, address (its signer), key, control(message), stats(), forget(),
 * kill(), restart() on the same port, pause(), resume(), stop().
 */
export async function startCore(options = {}) {
  const key = options.key ?? Wallet.createRandom().privateKey;
  const port = options.port || (await freePort());
  const controlPort = await freePort();
  const words = [fileURLToPath(import.meta.url), '--port', port, '--control-port', controlPort, '--key', key];
  if (options.delayMs !== undefined) words.push('--delay-ms', options.delayMs);
  if (options.longPollMs !== undefined) words.push('--long-poll-ms', options.longPollMs);
  if (options.mode) words.push('--mode', options.mode);
  if (options.sync) words.push('--sync');
  if (options.record) words.push('--record');
  if (options.types) words.push('--types', options.types);
  if (options.tls) words.push('--tls-key', options.tls.key, '--tls-cert', options.tls.cert);
  const self = { key, port, endpoint: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}` };

  async function launch() {
    self.proc = start(process.execPath, words.map(String), { output: 'pipe' });
    self.pid = self.proc.pid;
    self.address = (await readyLine(self.proc)).address;
  }
  self.control = async (message) => {
    const answer = await fetch(`http://127.0.0.1:${controlPort}/`, {
      method: 'POST',
      body: JSON.stringify(message),
    });
    const body = await answer.json();
    if (body.error) throw new Error(`core control: ${body.error}`);
    return body;
  };
  self.stats = () => self.control({ op: 'stats' });
  self.forget = () => self.control({ op: 'forget' });
  self.pause = () => self.proc.signal('SIGSTOP');
  self.resume = () => self.proc.signal('SIGCONT');
  self.kill = () => self.proc.kill();
  self.restart = async () => {
    await self.proc.kill();
    await launch();
  };
  self.stop = () => self.proc.kill();
  await launch();
  return self;
}

/** A client of a Core for tests: client.call(method, request) gives a promise. */
export function coreClient(endpoint) {
  const { core } = loadServices();
  const client = new core(endpoint.replace(/^https?:\/\//, ''), grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxMessage,
    'grpc.max_send_message_length': maxMessage,
  });
  return {
    call: (method, request, deadlineMs = 70000) => new Promise((resolve, reject) => {
      client[method](request, { deadline: Date.now() + deadlineMs }, (e, v) => (e ? reject(e) : resolve(v)));
    }),
    close: () => client.close(),
  };
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((e) => {
    process.stderr.write(`core: ${e.stack}\n`);
    process.exit(1);
  });
}
