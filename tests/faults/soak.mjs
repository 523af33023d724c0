/*
 * soak - load for a long time while one fault after the other comes, in an order that a seed
 * decides; then the ledger, and whether anything grew that must not.  In the last third no process
 * dies, so that what they hold in its middle and end can be compared.
 *
 *   make soak                     20 minutes (S=seconds, SEED=, RATE=requests per second)
 *
 * What every line says and how the seed is given again stands in its output.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { faultsIn } from '../peers/fakechain.mjs';
import { sleep, until } from '../peers/process.mjs';
import { faultsInJournal } from '../system/journal.mjs';
import { seeded } from '../system/random.mjs';
import { descriptorsOf, startGround } from './ground.mjs';

const LEAST = 4; /* faults, however short it is */
const SETS = 100; /* of ciphertexts, asked for in turn */
const LONGEST_MS = 45000; /* a stage that is paused is tried again each 30 s */
const GROWTH = 1.1; /* of memory from the middle to the end */
const FILES = 4; /* that may be open by chance */
const CONNECTIONS = 200; /* of all processes: pools have limits of their own */
const KB_PER_REQUEST = 2; /* on the disk */
const LOG_OF_THE_STORE_KB = 17 * 1024; /* written ahead; it grows up to this */
const MIB = 1024;

const CHILDREN = ['kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor'];
const LIES = [
  { lie: 'lagging', by: 3, share: 0.3 }, { lie: 'null', share: 0.3 }, { lie: 'error', share: 0.3 }, { lie: 'wrong_id', share: 0.2 },
  { lie: 'no_reply', share: 0.2 }, { lie: 'twice', share: 0.2 }, { lie: 'rate_limited', share: 0.2 }, { lie: 'no_logs', methods: ['eth_getLogs'] },
  { lie: 'duplicate_logs' }, { lie: 'removed_logs' }, { lie: 'shuffled_logs' }, { lie: 'dropped', count: 2 }, { lie: 'busy', count: 3 },
  { lie: 'no_receipt', count: 5 }, { lie: 'wrong_receipt', count: 5 }, { lie: 'huge_gas', share: 0.3 }, { lie: 'tags_above', by: 5 },
  { lie: 'tags_back', by: 3, share: 0.5 }, { lie: 'lost_reply', share: 0.2 }, { lie: 'lost_502', share: 0.2 }, { lie: 'stall', share: 0.05 },
  { lie: 'mute' }, { lie: 'wrong_hash', share: 0.1 },
];
const OF_A_STREAM = [
  ['reset', { dir: 'down' }], ['truncate', { dir: 'down' }], ['stall', { dir: 'down' }], ['drip', { dir: 'down', bytes: 64, everyMs: 50 }],
  ['reset', { dir: 'up' }], ['delay', { dir: 'both', ms: 200 }], ['refuse', {}], ['drop', {}],
];
const OF_HTTP = [
  ['answer', { status: 502, body: '<html>' }], ['answer', { status: 429, headers: { 'Retry-After': '1' } }], ['answer', { status: 200, body: 'no' }],
  ['endless', {}], ['giant', {}], ['ws_pings', { frames: 1000 }], ['ws_giant', {}], ['ws_frame', { opcode: 1, body: '{' }],
];
const OF_THE_CORE = [
  { code: 'UNAVAILABLE' }, { code: 'RESOURCE_EXHAUSTED' }, { code: 'ABORTED', share: 0.3 }, { code: 'INTERNAL', share: 0.3 }, { delayMs: 300 }, { hang: true, share: 0.1 },
];
const OF_THE_STORAGE = [['status', { status: 500 }], ['hang', { count: 5 }], ['wrong', {}], ['truncated', {}], ['reset', { bytes: 100 }], ['empty', {}]];

const DEADLY = ['kill', 'kill: all', 'hang'];

/* name, weight, begin(ground, random) -> { what, end } */
const faults = [
  ['chain: connection', 4, async (g, random) => {
    const [name, how] = random.pick([...OF_A_STREAM, ...OF_HTTP]);
    const proxy = random.pick(g.proxies);
    const at = random.below(2000);
    await proxy.fault(name, { at, open: random.below(2) === 0 && OF_A_STREAM.slice(0, 6).some(([n]) => n === name), ...how });
    return { what: `${name} at ${at}`, end: () => proxy.clear() };
  }],
  ['chain: lie', 4, async (g, random) => {
    const lie = random.pick(LIES);
    await g.chain.lie({ ...lie, seed: 1 + random.below(1000), ...(random.below(2) ? { door: 1 } : {}) });
    return { what: lie.lie, end: () => g.chain.truth() };
  }],
  ['chain: reorganisation', 2, async (g, random) => {
    const depth = random.between(1, 6);
    const lost = await answersIn(g, depth);
    await g.chain.reorg(depth, { drop: lost.filter(() => random.below(2)) });
    await g.chain.mine(1);
    return { what: `depth ${depth}`, end: () => {} };
  }],
  ['Core: calls', 3, async (g, random) => {
    const rule = random.pick(OF_THE_CORE);
    await g.core.control({ op: 'fail', call: random.pick(['start', 'result', 'any']), share: 0.7, seed: 1 + random.below(1000), ...rule });
    return { what: JSON.stringify(rule), end: () => g.core.control({ op: 'clear' }) };
  }],
  ['Core: forgets', 1, async (g) => {
    await g.core.forget();
    return { what: 'all', end: () => {} };
  }],
  ['Core: connection', 2, async (g, random) => {
    const [name, how] = random.pick([...OF_A_STREAM, ['h2_goaway', {}], ['h2_reset', {}]]);
    await g.coreProxy.fault(name, { at: random.below(2000), ...how });
    return { what: name, end: () => g.coreProxy.clear() };
  }],
  ['storage', 2, async (g, random) => {
    const [kind, how] = random.pick(OF_THE_STORAGE);
    await g.bucket.fault('*', kind, how);
    return { what: kind, end: () => g.bucket.clear() };
  }],
  ['kill', 4, async (g, random) => {
    const name = random.pick(CHILDREN);
    await g.world.waitProcesses([name], 10000);
    g.world.signal(name);
    return { what: name, end: () => g.world.waitProcesses(CHILDREN, 10000) };
  }],
  ['kill: all', 1, async (g) => {
    await g.world.killConnector();
    return { what: 'supervisor', end: () => g.world.startConnector() };
  }],
  ['hang', 1, async (g, random) => {
    const name = random.pick(CHILDREN);
    await g.world.waitProcesses([name], 10000);
    const pid = g.world.signal(name, 'SIGSTOP');
    return { what: name, end: () => { try { process.kill(pid, 'SIGCONT'); } catch { /* it was replaced */ } } };
  }],
];

/* Hashes of our transactions in the newest blocks. */
async function answersIn(g, depth) {
  const head = await g.chain.head();
  const numbers = Array.from({ length: depth }, (_, i) => `0x${(head - i).toString(16)}`);
  const blocks = await g.chain.batch(numbers.map((n) => ['eth_getBlockByNumber', [n, true]]));
  const mine = g.world.node.address.toLowerCase();
  return blocks.flatMap((b) => b.transactions.filter((tx) => tx.from.toLowerCase() === mine).map((tx) => tx.hash));
}

const openNow = async (g) => (await g.chain.judge(g.world.node.address)).open;
const sizeOf = (dir, pattern) => fs.readdirSync(dir, { recursive: true }).filter((f) => pattern.test(f))
  .reduce((sum, f) => sum + (fs.statSync(path.join(dir, f), { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0);

/* Memory that is a process's own, KiB: what it shares with others depends on them. */
function ownMemory(pid) {
  return Number(/^Pss_Anon:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
}

/* What must not grow, when nothing is open. */
function measure(g, asked) {
  const { world } = g;
  const processes = world.processes();
  const by = Object.fromEntries(processes.map(({ name, pid }) => [name, ownMemory(pid)]));
  const open = Object.values(descriptorsOf(world));
  const [files, connections] = ['files', 'connections'].map((what) => open.reduce((sum, p) => sum + p[what], 0));
  return {
    asked, pids: processes.map(({ pid }) => pid).sort().join(), memoryKb: Object.values(by).reduce((a, b) => a + b, 0), files, connections, by,
    storeKb: sizeOf(world.config.data_dir, /\.db/) / 1024, journalKb: sizeOf(world.config.data_dir, /journal/) / 1024, lines: world.log().split('\n').length,
  };
}

/**
 * Runs it: { problems, faults, asked, points: [start, middle, end], slowest }.  Options: seconds,
 * rate, seed, say(line).
 */
export async function soak({ seconds = 1200, rate = 20, seed, say = () => {} } = {}) {
  const random = seeded(seed);
  say(`seed ${random.seed}, ${seconds} s, ${rate} requests per second`);
  const g = await startGround({ nodes: 2, config: { decryption_timeout_secs: 5, sign: { hour: '1000eth', day: '1000eth' } } });
  const { world, chain } = g;
  const problems = [];
  const slowest = new Map(); /* by fault */
  const points = [];
  const trail = []; /* lines of the log's form */
  let over = false;
  let asked = 0;
  let done = 0;
  try {
    const sets = (await world.makeCiphertexts(Array.from({ length: SETS }, (_, i) => [0, 5, 8][i % 3]), { keepBodies: true })).map((c) => [c]);
    await g.start();
    let hold = null; /* resolved when load may go on */
    const load = (async () => {
      const began = Date.now();
      let waited = 0;
      while (!over) {
        if (hold) {
          const from = Date.now();
          await hold;
          waited += Date.now() - from;
        }
        const some = Array.from({ length: Math.ceil(rate / 4) }, () => random.pick(sets));
        const kind = asked % 400 < some.length ? 'key' : asked % 100 < some.length ? 'user' : 'public';
        if (kind === 'key') await world.askKey('crsgen');
        else await (kind === 'user' ? world.askUser(some.length, { sets: some }) : world.ask(some.length, { sets: some, perTx: 1 }));
        asked = world.requests.size;
        await sleep(Math.max(0, began + waited + (asked * 1000) / rate - Date.now()));
      }
    })();
    load.catch((e) => problems.push(`the load ended: ${e.message}`));

    const drain = async () => {
      let go;
      hold = new Promise((resolve) => { go = resolve; });
      await until('all is answered', async () => (await openNow(g)) === 0, LONGEST_MS, 50);
      await g.look.waitFine(LONGEST_MS);
      await g.look.waitCounter('executor_active', (n) => n === 0, LONGEST_MS);
      const point = measure(g, asked);
      points.push(point);
      say(pointLine(['start', 'middle', 'end'][points.length - 1], point));
      hold = null;
      go();
    };

    const bag = faults.flatMap((fault) => Array(fault[1]).fill(fault));
    const mild = bag.filter(([name]) => !DEADLY.includes(name));
    await sleep(Math.min(10000, 50 * seconds));
    await drain();
    const end = Date.now() + 1000 * seconds;
    const middle = end - 333 * seconds;
    while (Date.now() < end || done < LEAST) {
      const [name, , begin] = random.pick(points.length === 1 ? bag : mild);
      const lasts = random.between(200, 3000);
      await sleep(random.between(100, 1500));
      const { what, end: ends } = await begin(g, random);
      await sleep(lasts);
      const from = Date.now();
      await ends();
      done++;
      trail.push(`ts=${new Date(from - lasts).toISOString()} FAULT ${name} (${what}) until ${new Date(from).toISOString()}`);
      try {
        await until(`all but the newest are answered after ${name} (${what})`, async () => (await openNow(g)) <= rate, LONGEST_MS, 20);
      } catch (e) {
        problems.push(e.message);
        break;
      }
      const took = Date.now() - from;
      if (took > (slowest.get(name)?.ms ?? -1)) slowest.set(name, { ms: took, what, at: new Date(from).toISOString() });
      if (points.length === 1 && Date.now() > middle) await drain();
    }
    while (!problems.length && points.length < 3) await drain();
    over = true;
    await load;
    await until('the last are answered', async () => (await openNow(g)) === 0, LONGEST_MS, 50);
    await g.look.waitCounter('executor_active', (n) => n === 0, LONGEST_MS);
    problems.push(...faultsIn(await chain.judge(world.node.address)), ...(await world.judge()).problems,
      ...faultsInJournal(world.config.data_dir, await chain.sentBy(world.node.address)), ...grown(points));
  } catch (e) {
    problems.push(e.stack);
  }
  over = true;
  const log = [...world.log().split('\n'), ...trail].sort().join('\n');
  await g.stop().catch((e) => problems.push(e.message));
  return { seed: random.seed, problems, faults: done, asked: world.requests.size, points, slowest, log };
}

const pointLine = (name, p) => `${name.padEnd(7)} ${String(p.asked).padStart(7)} requests  memory ${(p.memoryKb / MIB).toFixed(1).padStart(6)} MiB  `
  + `${String(p.files).padStart(4)} open files, ${String(p.connections).padStart(3)} connections  store ${(p.storeKb / MIB).toFixed(1).padStart(6)} MiB  journal ${(p.journalKb / MIB).toFixed(1).padStart(6)} MiB  `
  + `${String(p.lines).padStart(6)} lines of log   ${Object.entries(p.by).map(([name, kb]) => `${name.slice(4)} ${(kb / MIB).toFixed(1)}`).join(' ')}`;

/* What grew that must not, from the middle to the end. */
function grown([, middle, end]) {
  if (!end) return ['it did not come to its end'];
  const problems = [];
  if (end.pids !== middle.pids) problems.push(`a process was replaced: ${middle.pids} became ${end.pids}`);
  if (end.memoryKb > middle.memoryKb * GROWTH + 2 * MIB) problems.push(`memory grew from ${middle.memoryKb} to ${end.memoryKb} KiB`);
  if (end.files > middle.files + FILES) problems.push(`${middle.files} open files became ${end.files}`);
  if (end.connections > CONNECTIONS) problems.push(`${end.connections} connections`);
  for (const name of ['storeKb', 'journalKb']) {
    const more = end[name] - middle[name];
    const allowed = LOG_OF_THE_STORE_KB + KB_PER_REQUEST * (end.asked - middle.asked);
    if (more > allowed) problems.push(`the ${name.replace('Kb', '')} grew by ${more} KiB, allowed are ${allowed}`);
  }
  return problems;
}

/* How it came out, in lines; true if well. */
export function report({ seed, problems, faults: count, asked, slowest }, say = console.log) {
  for (const [name, { ms, what, at }] of [...slowest].sort((a, b) => b[1].ms - a[1].ms)) {
    say(`  ${name.padEnd(24)} longest until all was answered ${(ms / 1000).toFixed(2).padStart(6)} s (${what}, ${at})`);
  }
  for (const problem of problems) say(`  VIOLATION ${problem}`);
  say(`${count} faults over ${asked} requests, ${problems.length} violations (seed ${seed})`);
  return problems.length === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { S, RATE, SEED } = process.env;
  const result = await soak({ seconds: Number(S || 1200), rate: Number(RATE || 20), seed: Number(SEED) || undefined, say: console.log });
  const file = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', process.env.B ?? 'build', 'soak.log');
  if (!report(result)) console.log(`  its log: ${file}`);
  fs.writeFileSync(file, result.log);
  process.exitCode = result.problems.length ? 1 : 0;
}
