/*
 * demo - the whole thing at work (`make demo`): a connector with a chain, contracts, storage and a
 * KMS Core of its own answers 20 decryptions and every key operation, while the demo does to it
 * what bites operators.  At the end the chain is asked what really happened; exit 0 only if all of
 * it is right.
 * KEEP=1 leaves everything running until Ctrl-C.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startParent } from '../peers/parent.mjs';
import { sleep, until } from '../peers/process.mjs';
import { keyOps, ledgerLines, makeScreen, seconds, shownId as shown, tableHead, verifyRow } from './demo-screen.mjs';
import { program, startWorld } from './world.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const keep = Boolean(process.env.KEEP) && process.env.KEEP !== '0';

/* FHE types by number: ebool 0, euint4 1, 8 2, 16 3, 32 4, 64 5, 128 6, 160 7, 256 8.  One row
 * for each request, in the order in which they are asked: 20 altogether, every other one a user
 * decryption. */
const opening = [[[0]], [[2], [3]], [[4], [5]], [[7], [8], [0, 5, 8]]]; /* who comes together */
const during = {
  core: [[4], [6], [1], [2, 3]], submitter: [[5]], listener: [[8]], executor: [[7, 7]], signer: [[3]],
  account: [[6], [5, 0]], node: [[2]], storage: [[5]],
};
const all = [...opening.flat(), ...Object.values(during).flat()];

const total = all.length + Object.keys(keyOps).length;

const coreDelayMs = 250; /* a Core takes its time */
const coreAwayMs = 1500;
const nodeAwayMs = 4000;
const missingMs = 1500;
const idleMs = 6000; /* two rounds of the slowest question */
const patienceMs = 60000;

/* What the ledger is held against: the figures of the design, and for gas what these contracts take. */
const limits = { gas: 350_000, callsPerAnswer: 8, callsPerIdleHour: 20_000, memoryMiB: 48 };

const screen = makeScreen();
const { paint } = screen;
const began = Date.now();
const problems = [];
let stopStaying = null; /* ends KEEP=1 */
const rows = new Map(); /* name of a request -> what the monitor says of it */
const rpc = { calls: 0, perIdleMs: 0, perAnswer: 0, onSend: null }; /* counted by the proxy */
let world = null;
let parent = null; /* the chain that settles the gateway chain */
let waitsForParent = null; /* name of the key generation that waits for it */
let turn = 0; /* public and user decryptions in turn */
let doing = 'starts';
let startedAt = 0; /* when the connector was */
let looking = true; /* the table is kept up to date */
let interrupted = false;

process.stdout.on('error', () => process.exit(1)); /* nobody reads any more */

// ---- what is shown -------------------------------------------------------------------------

const clock = () => `${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s`;
const entries = () => [...world.requests].map(([key, asked]) => {
  const name = shown(key, asked);
  return { name, types: asked.types, makes: keyOps[asked.kind]?.[1], waits: key === waitsForParent, row: rows.get(name) };
});

function drawTable() {
  const { rows: high, columns } = screen.room();
  const shown = entries().slice(-(high - 4));
  const now = `${clock()}  ${doing}`.slice(0, columns);
  screen.draw(['', paint('bold', now), paint('dim', tableHead.slice(0, columns)),
    ...shown.map((one) => screen.tableLine(one, columns))]);
}

/* Into a file: a line when a request has been in a new state for two looks, and at its end. */
function sayChanges(before) {
  for (const request of entries()) {
    const state = request.row?.state;
    const past = before.get(request.name);
    if (!state || past?.said === state) continue;
    if (state === 'done' || past?.state === state) {
      screen.say(`${clock()}  ${screen.tableLine(request)}`);
      before.set(request.name, { state, said: state });
    } else {
      before.set(request.name, { state, said: past?.said });
    }
  }
}

async function fetchJson(where) {
  const answer = await fetch(`${world.monitorUrl}${where}`, { signal: AbortSignal.timeout(2000) });
  return answer.ok ? answer.json() : null;
}

async function look() {
  try {
    const list = await fetchJson('/v1/requests?limit=50');
    for (const row of list?.requests ?? []) rows.set(row.id, row);
  } catch {
    /* the window answers the next time */
  }
}

async function watch() {
  const before = new Map();
  for (let next = Date.now(); looking; next = Math.max(next + 100, Date.now())) {
    await sleep(next - Date.now());
    await look();
    if (!looking) return;
    if (screen.live) drawTable();
    else sayChanges(before);
  }
}

function now(text) {
  doing = text;
  if (!screen.live) screen.say(`${clock()}  ${text}`);
}

// ---- what is done --------------------------------------------------------------------------

const status = async () => fetchJson('/v1/status').catch(() => null);
const stageIs = async (name, state) => (await status())?.stages.find((s) => s.name === name)?.state === state;
const openNames = async () => {
  const answered = await world.responseEvents();
  return [...world.requests.keys()].filter((name) => !answered.has(name) && name !== waitsForParent);
};

/* Until the monitor shows every request as done. */
const untilShown = (ms) => until('the monitor shows all requests as done',
  () => entries().every((e) => e.row?.state === 'done' || e.waits), ms, 50);

/* Asks for requests of prepared ciphertexts. */
async function ask(sets) {
  const names = [];
  for (const set of sets) names.push(...await (turn++ % 2 ? world.askUser : world.ask)(1, { sets: [set] }));
  return names;
}

/*
 * One fault, from its end until all requests that are open then are answered (and `works` holds);
 * one line tells it.  `bite` makes the fault and ends it; it returns when that was, if not just now.
 */
async function fault(what, text, bite, works = () => true) {
  now(text);
  const ended = (await bite()) ?? Date.now();
  doing = 'the fault is over; waiting until everything works again';
  const { missing } = await world.waitAnswered(patienceMs, { names: await openNames() });
  const well = missing.length === 0 && await until('works again', works, patienceMs, 20).then(() => true, () => false);
  const took = seconds(Date.now() - ended);
  await untilShown(3000).catch(() => {}); /* only for the order of what is printed */
  screen.say(well ? paint('bold', `${what.padEnd(40)} back in ${took.padStart(8)}  operator did: nothing`)
    : paint('bad', `${what}: did not recover within ${patienceMs / 1000} s`));
  if (!well) {
    const left = missing.map((name) => `${name} (${rows.get(name)?.state}: ${rows.get(name)?.reason})`);
    throw new Error(`${what}: no recovery${left.length ? `; open: ${left.join(', ')}` : ''}`);
  }
  await sleep(700); /* for who watches */
}

const running = async (name, not) => {
  const found = (await status())?.processes.find((p) => p.name === name);
  return found?.ready && found.pid !== not;
};

/* A fault that is the end of a process; `bite` gets the function that does it. */
async function killed(name, what, text, bite) {
  let pid = null;
  let at;
  await fault(what, text, async () => {
    await bite(() => {
      pid ??= world.signal(`kms-${name}`);
      at ??= Date.now();
    });
    await until(`the end of kms-${name}`, () => pid, patienceMs, 5);
    return at;
  }, () => running(name, pid));
}

const faults = {
  core: (sets) => fault(`Core restarted, forgot ${sets.length} open requests`,
    `the Core is killed with ${sets.length} requests in work, and comes back knowing nothing`, async () => {
      await world.core.control({ op: 'set', delayMs: 60000 });
      await ask(sets);
      await until('the Core holds the requests', async () => (await world.core.stats()).waiting >= sets.length);
      await world.core.kill();
      await sleep(coreAwayMs);
      await world.core.restart();
    }),
  submitter: (sets) => killed('submitter', 'submitter killed while it sends',
    'kms-submitter is killed in the moment in which a transaction leaves', async (kill) => {
      rpc.onSend = kill; /* of the first that leaves */
      await ask(sets);
    }),
  listener: (sets) => killed('listener', 'listener killed as a request comes',
    'kms-listener is killed; a request comes meanwhile', async (kill) => {
      kill();
      await ask(sets);
    }),
  executor: (sets) => killed('executor', 'executor killed with a request in work',
    'kms-executor is killed while the Core works on a request', async (kill) => {
      await ask(sets);
      await until('the Core has it', async () => (await world.core.stats()).waiting > 0, 10000, 5);
      kill();
    }),
  signer: (sets) => killed('signer', 'signer killed with a request in work',
    'kms-signer, which holds the key, is killed while a request is open', async (kill) => {
      await ask(sets);
      kill();
    }),
  account: (sets) => fault('account empty, then filled again',
    'the account has no money: answers wait', async () => {
      await world.chain.fund(world.node.address, 0);
      await ask(sets);
      await until('sending is paused', () => stageIs('sending', 'paused'), 20000, 50);
      await sleep(2000);
      await world.chain.fund(world.node.address, 10);
    }, () => stageIs('sending', 'runs')),
  node: (sets) => fault(`chain node away for ${nodeAwayMs / 1000} s`,
    `the chain node refuses connections for ${nodeAwayMs / 1000} s; a request comes meanwhile`, async () => {
      await world.proxy.refuse();
      await ask(sets);
      await sleep(nodeAwayMs);
      await world.proxy.forward();
    }, () => running('listener')),
  storage: ([[ciphertext]]) => fault('ciphertext missing, then there',
    'a ciphertext is nowhere in the storage; it appears later', async () => {
      await world.bucket.remove(ciphertext.digest);
      const [name] = await ask([[ciphertext]]);
      await until('a bucket was asked in vain', () => /404/.test(rows.get(name)?.reason ?? ''), 20000, 50);
      await sleep(missingMs);
      await world.bucket.put(ciphertext.body);
    }),
};

// ---- keys ----------------------------------------------------------------------------------

async function untilAnswered(...names) {
  const { missing } = await world.waitAnswered(patienceMs, { names });
  if (missing.length) throw new Error(`not answered within ${patienceMs / 1000} s: ${missing.join(', ')}`);
}

/* A key is generated only when the parent chain has settled the block of its request. */
async function beginKeys() {
  now('the administrators ask for a common reference string and for a key');
  const crs = await world.askKey('crsgen');
  const pre = await world.askKey('preprocessKeygen');
  await untilAnswered(crs.name, pre.name);
  const key = await world.askKey('keygen', pre.resultId);
  waitsForParent = key.name;
  const name = shown(key.name, world.requests.get(key.name));
  const why = await until('the key generation waits', () => rows.get(name)?.state === 'waiting' && rows.get(name).reason,
    patienceMs, 50);
  screen.say(paint('bold', `${`keygen-0x${key.id.toString(16).slice(0, 6)}.. waits`.padEnd(40)} ${why}`));
  return key;
}

async function endKeys(key) {
  now('the parent chain settles the block of the key generation');
  const { block } = world.requests.get(key.name);
  const { hash } = await world.chain.rpc('eth_getBlockByNumber', `0x${block.toString(16)}`, false);
  const from = Date.now();
  await parent.settle(hash);
  waitsForParent = null;
  await untilAnswered(key.name);
  screen.say(paint('bold', `${'settled by the parent chain: released'.padEnd(40)} answered after ${seconds(Date.now() - from)}`));
  const pre = await world.askKey('preprocessKsk');
  await untilAnswered(pre.name);
  const ksk = await world.askKey('ksk', pre.resultId, await world.httpz.getCurrentKeyId(), key.resultId);
  await untilAnswered(ksk.name);
}

// ---- the end -------------------------------------------------------------------------------

/* Memory of all processes: proportional, or (who may not read that) resident. */
function memory() {
  const usage = world.usage();
  const pss = usage.reduce((sum, p) => sum + p.pssKb, 0);
  if (!usage.length || usage.every((p) => p.pssKb > 0)) return { kib: pss, count: usage.length };
  const rss = usage.map(({ pid }) => {
    return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  });
  return { kib: rss.reduce((a, b) => a + b, 0), count: usage.length, resident: true };
}

async function ledger() {
  const { calls, perAnswer } = rpc;
  const tookH = (Date.now() - startedAt) / 3_600_000;
  const mayCall = Math.floor(limits.callsPerAnswer * total + limits.callsPerIdleHour * tookH);
  const mem = memory();
  const said = await world.judge();
  const events = await world.responseEvents();
  const right = [...world.requests].filter(([name, asked]) => {
    const event = events.get(name);
    const got = event && (asked.kind === 'user' ? [...event.args[1]] : [event.args[1]]);
    return got?.some((one) => String(one) === String(asked.expected));
  }).length;
  const asked = total;
  const perHour = Math.round(rpc.perIdleMs * 3_600_000);
  const mib = mem.kib / 1024;
  const list = [
    ['requests asked', said.asked, `${asked}`, said.asked === asked],
    ['consensus events', events.size, `${asked}: one for each`, events.size === asked],
    ['answers right', right, `${asked}: as encrypted, to their users' keys, ids as agreed`, right === asked],
    await verifyRow(world, world.requests),
    ['transactions of our account', said.transactions, `${asked}: one for each`, said.transactions === asked],
    ['nonces used twice', said.nonces.usedTwice.length, '0', said.nonces.usedTwice.length === 0],
    ['holes in the nonces', said.nonces.holes.length, '0', said.nonces.holes.length === 0],
    ['reverts paid', said.reverted, '0', said.reverted === 0],
    ['gas per answer', said.gasPerAnswer, `at most ${limits.gas.toLocaleString('en-US')}`,
      said.gasPerAnswer > 0 && said.gasPerAnswer <= limits.gas],
    ['RPC calls per answer', perAnswer.toFixed(1), `at most ${limits.callsPerAnswer}`,
      perAnswer > 0 && perAnswer <= limits.callsPerAnswer],
    ['RPC calls per idle hour', perHour, `at most ${limits.callsPerIdleHour.toLocaleString('en-US')}`,
      perHour <= limits.callsPerIdleHour],
    ['RPC calls with all faults', calls, `at most ${mayCall}, from both`, calls <= mayCall],
    ['processes', mem.count, '6', mem.count === 6],
    mem.resident ? ['memory of all, MiB (sum of RSS)', mib.toFixed(1), 'PSS can only be read as root']
      : ['memory of all, MiB (sum of PSS)', mib.toFixed(1), `at most ${limits.memoryMiB}`,
        mib > 0 && mib <= limits.memoryMiB],
  ];
  for (const [what, value, should, ok] of list) {
    if (ok === false) problems.push(`${what}: ${value}, should be ${should}`);
  }
  problems.push(...said.problems);
  screen.say('', `${paint('bold', 'The ledger: what the chain says, not our log')}            should be`,
    ...ledgerLines(list, paint), '');
}

function sayFailure() {
  const more = problems.length - 12;
  screen.say(paint('bad', 'Not right:'), ...problems.slice(0, 12).map((p) => `  ${p}`));
  if (more > 0) screen.say(`  and ${more} more`);
  if (!world?.log()) return;
  const copy = path.join(root, 'build', 'demo.log');
  const lines = world.log().trimEnd().split('\n');
  screen.say('', 'The connector\'s last lines:', ...lines.slice(-20).map((l) => `  ${l}`));
  try {
    fs.copyFileSync(world.logFile, copy);
    screen.say(`All of them: ${copy}`);
  } catch {
    /* there is no log yet */
  }
}

/* What an operator may look at, until Ctrl-C. */
async function stay() {
  const short = path.relative(process.cwd(), program);
  const run = `${short.startsWith('..') ? program : short} -c ${world.configFile}`;
  const { monitorUrl } = world;
  screen.say('Everything goes on running (KEEP=1).',
    `  page        ${monitorUrl}/`, `  metrics     ${monitorUrl}/metrics`, `  chain RPC   ${world.chain.httpUrl}`,
    `  config      ${world.configFile}`, `  log         ${world.logFile}`, '', 'To try in another terminal:',
    `  ${run} status`, `  ${run} list`, `  ${run} show public-3`, `  ${run} check --online`,
    `  curl ${monitorUrl}/readyz`, `  curl '${monitorUrl}/v1/requests?state=done&limit=3'`,
    `  kill -9 ${world.processOf('kms-executor')?.pid}   # the executor; status shows what becomes of it`, '');
  if (process.stdin.isTTY) {
    screen.say('Enter asks for one more decryption; Ctrl-C ends everything.');
    process.stdin.on('data', () => more().catch((e) => screen.say(`  ${e.message}`)));
  } else {
    screen.say('Ctrl-C ends everything.');
  }
  const alive = setInterval(() => {}, 1 << 30);
  await Promise.race([
    new Promise((resolve) => {
      stopStaying = resolve;
    }),
    world.connector.exited.then(() => interrupted || screen.say('The connector has ended.')),
  ]);
  clearInterval(alive);
  screen.say('', 'Ending what was started.');
}

async function more() {
  const from = Date.now();
  const [name] = await world.ask(1, { types: [world.requests.size % 9] });
  const { missing } = await world.waitAnswered(patienceMs, { names: [name] });
  const took = seconds(Date.now() - from);
  screen.say(missing.length ? `  ${name} is not answered yet` : `  ${name} answered after ${took}`);
}

/* Ctrl-C reaches the peers too: whatever fails from here on is the end, not a failure. */
async function onSignal(code) {
  if (interrupted) process.exit(code); /* asked twice: at once, by force */
  interrupted = true;
  looking = false;
  if (stopStaying) return stopStaying();
  screen.close('', 'Interrupted: ending what was started.');
  await world.stop().catch(() => {});
  process.exit(code);
}

/* Nothing is asked: how often does the connector call the node? */
async function quiet() {
  now(`nothing to do for ${idleMs / 1000} s: RPC calls of an idle connector are counted`);
  const before = rpc.calls;
  await sleep(idleMs);
  rpc.perIdleMs = (rpc.calls - before) / idleMs;
}

/* Users come, and nothing is broken: what does an answer cost? */
async function open(groups) {
  const count = groups.flat().length;
  now(`${count} users ask for decryptions`);
  const before = rpc.calls;
  const from = Date.now();
  for (const sets of groups) {
    await ask(sets);
    await sleep(600);
  }
  const { missing } = await world.waitAnswered(patienceMs);
  if (missing.length) throw new Error(`not answered within ${patienceMs / 1000} s: ${missing.join(', ')}`);
  await untilShown(patienceMs);
  rpc.perAnswer = Math.max(0, rpc.calls - before - rpc.perIdleMs * (Date.now() - from)) / count;
}

/* What stands around the connector, and the connector, ready; a promise that fails when it ends. */
async function setUp() {
  screen.say(paint('bold', 'KMS Connector: demo'),
    'A real connector, beside a chain with its contracts, storage and a KMS Core,',
    `answers ${all.length} requests to decrypt, for everyone and for single users, and makes keys.`,
    'Meanwhile the demo breaks one part after the other, and nobody repairs anything by',
    'hand.  After a minute it asks the chain what really happened.  Ctrl-C ends everything.', '');
  parent = await startParent();
  world = await startWorld({
    chain: { slots: 1 },
    core: { delayMs: coreDelayMs },
    config: { parent_chain: { urls: parent.httpUrl, outbox_address: parent.outbox, start_block: 0 } },
    onCall: (call) => {
      rpc.calls++;
      if (call.method !== 'eth_sendRawTransaction') return;
      rpc.onSend?.();
      rpc.onSend = null;
    },
  });
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    process.removeAllListeners(signal); /* now there is something to end in good order */
    process.on(signal, () => onSignal(code));
  }
  world.started.push(parent);
  screen.say(`${clock()}  two chains, contracts, storage and Core run`);
  const ciphertexts = await world.makeCiphertexts(all.flat(), { keepBodies: true });

  startedAt = Date.now();
  await world.startConnector();
  const death = world.connector.exited.then(({ code, signal }) => {
    throw new Error(`the connector ended: ${signal ?? `exit code ${code}`}`);
  });
  death.catch(() => {});
  let said = 'its window does not answer';
  const ready = until('the connector is ready', async () => {
    const answer = await fetch(`${world.monitorUrl}/readyz`);
    said = (await answer.text()).trim().replaceAll('\n', ', ');
    return answer.status === 200;
  }, 15000).catch((e) => {
    throw new Error(`${e.message}; ${said}`);
  });
  await Promise.race([ready, death]);
  screen.say(`${clock()}  the connector is ready, ${seconds(Date.now() - startedAt)} after its start: `
    + `${world.processes().length} processes`, '');
  if (!screen.live) screen.say(`  time   ${tableHead}`);
  return { ciphertexts, death };
}

async function play(ciphertexts) {
  let at = 0;
  const take = (list) => list.map((types) => ciphertexts.slice(at, at += types.length));

  await quiet();
  await open(opening.map(take));
  const key = await beginKeys();
  for (const [name, list] of Object.entries(during)) await faults[name](take(list));
  await endKeys(key);
  now('all requests are answered; the chain is asked what happened');
  await untilShown(15000);
}

async function tell() {
  looking = false;
  screen.end();
  screen.say('', 'The requests, as the connector\'s monitor shows them (milliseconds per stage)',
    paint('dim', tableHead), ...entries().map((one) => screen.tableLine(one)));
  await ledger();
}

async function main() {
  try {
    const { ciphertexts, death } = await setUp();
    watch();
    await Promise.race([play(ciphertexts), death]);
  } catch (e) {
    problems.push(e.message.trim());
  }
  if (interrupted) return;
  try {
    if (world?.requests.size) await tell();
  } catch (e) {
    problems.push(`no ledger: ${e.message}`);
  }
  if (problems.length) sayFailure();
  else screen.say(`${paint('good', 'All of it is right')}, after ${((Date.now() - began) / 1000).toFixed(0)} s.`);
  if (keep && world?.processes().length) await stay();
  interrupted = true;
  await world?.stop();
  process.exit(problems.length ? 1 : 0);
}

await main();
