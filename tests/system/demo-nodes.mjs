/*
 * demo-nodes - a network (`make demo NODES=4`): as many connectors, each with a Core and an account
 * of its own, answer the same requests until the contract's threshold is reached.  One of them is
 * killed and stays away for a minute.  At the end the chain is asked what happened.
 */
import { sleep, until } from '../peers/process.mjs';
import { ledgerLines, makeScreen, seconds, shownId, verifyRow } from './demo-screen.mjs';
import { joinWorld, startWorld } from './world.mjs';

const count = Math.min(13, Math.max(4, Number(process.env.NODES) || 4));
const awayMs = 60000;
const everyMs = 2000; /* a request */
const patienceMs = 60000;
const faulty = Math.floor((count - 1) / 3);
const thresholds = [faulty + 1, 2 * faulty + 1, faulty + 1]; /* public, user, keys */

const screen = makeScreen();
const { paint } = screen;
const began = Date.now();
const clock = () => `${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s`;
const say = (text) => screen.say(`${clock()}  ${text}`);
const problems = [];
let world = null;
let nodes = [];

/** Asks for one decryption; the milliseconds until the contract has enough answers. */
async function askOne() {
  const [name] = await world.ask(1, { types: [world.requests.size % 9] });
  const from = Date.now();
  const { missing } = await world.waitAnswered(patienceMs, { names: [name] });
  if (missing.length) throw new Error(`${name} has no consensus within ${patienceMs / 1000} s`);
  return Date.now() - from;
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Requests one after the other for that long; the times to consensus. */
async function live(ms) {
  const times = [];
  for (const end = Date.now() + ms; Date.now() < end;) {
    const next = Date.now() + everyMs;
    times.push(await askOne());
    await sleep(Math.max(0, next - Date.now()));
  }
  return times;
}

const open = async (node) => {
  const answer = await fetch(`${node.monitorUrl}/v1/requests?limit=200`).catch(() => null);
  const rows = answer?.ok ? (await answer.json()).requests : [];
  const done = new Set(rows.filter((r) => r.state === 'done').map((r) => r.id));
  return [...world.requests].filter(([name, request]) => !done.has(shownId(name, request)));
};

async function setUp() {
  screen.say(paint('bold', `KMS Connector: a network of ${count} nodes`),
    `${count} connectors, each with a Core and an account of its own; the contract wants ${thresholds[0]} equal`,
    `answers.  One connector is killed and stays away for ${awayMs / 1000} s.  Ctrl-C ends everything.`, '');
  world = await startWorld({ thresholds, core: { delayMs: 100 }, proxy: false });
  nodes = [world];
  while (nodes.length < count) nodes.push(await joinWorld(world, { core: { delayMs: 100 } }));
  await Promise.all(nodes.map((node) => node.startConnector()));
  await Promise.all(nodes.map((node) => until('a connector is ready', async () => {
    return (await fetch(`${node.monitorUrl}/readyz`)).status === 200;
  }, patienceMs)));
  say(`${count} connectors are ready: ${nodes.reduce((n, node) => n + node.processes().length, 0)} processes`);
}

async function play() {
  const usual = await live(10 * everyMs);
  say(`${usual.length} requests with all nodes: consensus after ${median(usual)} ms (median)`);
  for (const kind of ['crsgen', 'preprocessKeygen']) {
    const { name } = await world.askKey(kind);
    const { missing } = await world.waitAnswered(patienceMs, { names: [name] });
    if (missing.length) throw new Error(`${kind}: no consensus`);
    say(`${kind}: all nodes chose the same id`);
  }
  const last = nodes.at(-1);
  await last.killConnector();
  say(`connector ${count} is killed`);
  const without = await live(awayMs);
  say(`${without.length} requests without it: consensus after ${median(without)} ms (median)`);
  const from = Date.now();
  await last.startConnector();
  const [back, during] = await Promise.all([
    until('it has caught up', async () => (await open(last)).length === 0, patienceMs, 100)
      .then(() => Date.now() - from), live(5 * everyMs),
  ]);
  say(`connector ${count} is started again: caught up after ${seconds(back)}`);
  say(`${during.length} requests meanwhile: consensus after ${median(during)} ms (median)`);
  await Promise.all(nodes.map((node) => until('all have closed all', async () => (await open(node)).length === 0, patienceMs)));
  return { usual: median(usual), during: median(during), back };
}

async function tell({ usual, during, back }) {
  const asked = world.requests.size;
  const events = await world.responseEvents();
  const right = [...world.requests].filter(([name, request]) => {
    return String(events.get(name)?.args[1]) === String(request.expected);
  }).length;
  const slow = usual * 2 + 500;
  const rows = [
    ['requests asked', asked, `${asked}`, true],
    ['consensus events', events.size, `${asked}: one for each`, events.size === asked],
    ['answers right', right, `${asked}`, right === asked],
    await verifyRow(nodes[0], world.requests),
    ['ms to consensus while it caught up', during, `at most ${slow}: as before`, during <= slow],
    ['seconds to catch up', (back / 1000).toFixed(1), 'at most 20', back <= 20000],
  ];
  for (const [i, node] of nodes.entries()) {
    const verdict = await node.judge({ others: true });
    rows.push([`answers of node ${i + 1}, all right, none twice`, verdict.accepted, verdict.problems.length
      ? verdict.problems[0] : `of ${asked}`, verdict.problems.length === 0]);
  }
  for (const [what, value, should, ok] of rows) if (ok === false) problems.push(`${what}: ${value}, should be ${should}`);
  screen.say('', `${paint('bold', 'The ledger: what the chain says')}                         should be`,
    ...ledgerLines(rows, paint), '');
}

async function main() {
  try {
    await setUp();
    await tell(await play());
  } catch (e) {
    problems.push(e.message.trim());
  }
  if (problems.length) screen.say(paint('bad', 'Not right:'), ...problems.map((p) => `  ${p}`));
  else screen.say(`${paint('good', 'All of it is right')}, after ${((Date.now() - began) / 1000).toFixed(0)} s.`);
  for (const node of nodes.reverse()) await node.stop();
  process.exit(problems.length ? 1 : 0);
}

await main();
