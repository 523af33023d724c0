/*
 * Status notification: every change of state of every request, by id, by list and as a stream
 * that is cut off a hundred times under load while the executor is killed.  What a client has seen
 * is compared with what the connector's store says afterwards: each change once, in order.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sleep } from '../peers/process.mjs';
import { lookAt, until } from './look.mjs';
import { seeded } from './random.mjs';
import { follow } from './sse.mjs';
import { startWorld } from './world.mjs';

const CUTS = 100;
const REQUESTS = 160;
const KILLS = 5; /* of the executor */
const random = seeded();
const open = new Set(); /* streams to cut at the end */
let world;
let look;

before(async () => {
  world = await startWorld({ keep: Boolean(process.env.KEEP), core: { delayMs: 150 }, config: { retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
after(async () => {
  for (const stream of open) stream.cut();
  await world?.stop();
});

const events = (query = '') => `${world.monitorUrl}/v1/events${query}`;
/** What the window answers; while the executor is away it says so, and is asked again. */
const get = (where) => until(where, async () => {
  const answer = await fetch(`${world.monitorUrl}${where}`);
  return answer.status !== 503 && answer.json();
});
const listen = (query, options) => {
  const stream = follow(events(query), options);
  open.add(stream);
  return stream;
};

/** The history of each request as the store has it: name -> changes, of all its versions. */
async function histories(names) {
  const found = new Map();
  for (const name of names) {
    const { requests } = await get(`/v1/requests/${name}`);
    found.set(name, requests.flatMap((row) => row.history).sort((a, b) => a.seq - b.seq));
  }
  return found;
}

/** Fails unless these changes are the whole record of these requests: each once, in order, complete. */
async function sawEverything(changes, names) {
  const seqs = changes.map((c) => c.seq);
  assert.deepEqual(seqs, [...new Set(seqs)].sort((a, b) => a - b), 'each once, in order');
  assert.equal(seqs.at(-1) - seqs[0] + 1, seqs.length, 'no number is missing');
  const stored = await histories(names);
  for (const name of names) {
    assert.deepEqual(changes.filter((c) => c.id === name), stored.get(name), name);
  }
  assert.equal(changes.length, [...stored.values()].flat().length, 'and nothing else');
}

test(`a client is cut off ${CUTS} times, the executor is killed ${KILLS} times, nothing is missed`,
  { timeout: 180000 }, async (t) => {
    t.diagnostic(`SEED=${random.seed}`);
    const whole = listen('?since=0'); /* never cut */
    const seen = [];
    let lastId = null;
    let cuts = 0;
    let inBlock = 0;
    let quiet = false;

    /* Each connection ends at whatever byte, or after a while. */
    async function one() {
      const stream = follow(events('?since=0'), { lastId, bytes: random.between(0, 9000) });
      await Promise.race([sleep(random.between(5, 150)), stream.ended]);
      stream.cut();
      await stream.ended;
      seen.push(...stream.changes);
      lastId = stream.lastId;
      inBlock += stream.text.length > 0;
      assert.deepEqual(stream.resets, []);
      cuts++;
    }
    async function cutOff() {
      while (cuts < CUTS || !quiet) await one();
    }
    /* As many are asked for as there are cuts behind us, in proportion, and a group more. */
    async function load() {
      for (let asked = 0; asked < REQUESTS;) {
        await until('the cuts to go on', () => asked / REQUESTS <= cuts / CUTS, 60000, 10);
        const count = Math.min(random.between(4, 12), REQUESTS - asked);
        await world.ask(count, { types: [0, 5, 8] });
        asked += count;
      }
    }
    async function kill() {
      for (let i = 0; i < KILLS; i++) {
        await sleep(random.between(700, 1500));
        const { pid } = await until('an executor', () => world.processOf('kms-executor'), 10000, 5);
        process.kill(pid, 'SIGKILL');
      }
    }
    const client = cutOff();
    await Promise.all([load(), kill()]);
    assert.deepEqual((await world.waitAnswered(60000)).missing, []);
    await look.waitCounter('executor_open', (n) => n === 0, 30000);
    quiet = true;
    await client;

    const names = [...world.requests.keys()];
    const last = listen('', { lastId });
    const ended = () => new Set([...seen, ...last.changes].filter((c) => c.state === 'done').map((c) => c.id));
    await until('the client has heard of every end', () => ended().size === names.length, 20000);
    seen.push(...last.changes);
    await until('so has the one that was never cut', () => whole.changes.at(-1)?.seq === seen.at(-1).seq, 20000);
    t.diagnostic(`${cuts} cuts, ${inBlock} of them in the middle of an event; ${seen.length} changes of ${names.length} requests`);
    assert.ok(cuts >= CUTS && inBlock >= CUTS / 4);
    await sawEverything(seen, names);
    await sawEverything(whole.changes, names);
    assert.deepEqual([...whole.resets, ...last.resets], []);
    whole.cut();
    last.cut();

    /* The command says the same. */
    for (const name of [names[0], random.pick(names)]) {
      const shown = await look.show(name);
      assert.deepEqual(shown.history, seen.filter((c) => c.id === name));
      const { output } = await world.cli('show', name);
      const lines = output.split('\n').filter((line) => /\.\d{3} .* {2}block \d+/.test(line));
      assert.deepEqual(lines.map((line) => /([a-z]+) +block \d+/.exec(line)[1]), shown.history.map((c) => c.state));
      assert.equal(shown.history.at(-1).tx, shown.tx);
      assert.equal(shown.history.at(-1).block, shown.tx_block ?? shown.block);
    }
    assert.deepEqual((await world.judge()).problems, []);
  });

test('clients that never read are dropped and slow nobody', { timeout: 90000 }, async () => {
  const from = look.mark();
  const counted = await look.counters();
  const never = Array.from({ length: 5 }, () => {
    const socket = net.connect({ port: world.monitorPort, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.pause();
    socket.write('GET /v1/events?since=0 HTTP/1.1\r\nHost: x\r\n\r\n');
    return socket;
  });
  const reads = listen('');
  await until('they are connected', async () => (await look.counters()).monitor_streams === 6);
  const began = Date.now();
  const names = await world.ask(60, { types: [0, 5, 8] });
  await look.answered(names, 15000);
  const took = Date.now() - began;
  await until('who reads has heard of every end', () => {
    return reads.changes.filter((c) => c.state === 'done').length === names.length;
  }, 10000);
  assert.ok(took < 12000, `answered in ${took} ms`);
  await until('they are dropped', async () => await look.grown(counted, 'monitor_streams_dropped') === 5, 25000, 200);
  const line = await look.waitLine('M002', { from });
  assert.ok(line.hint);
  assert.equal(look.lines('M002', { from }).length, 1, 'one line for all of a minute');
  assert.equal((await look.counters()).monitor_streams, 1, 'who reads is still there');
  for (const socket of never) socket.destroy();
  reads.cut();
});

test('watch prints the life of one request, and its exit code says how it ended', { timeout: 60000 }, async () => {
  const next = Math.max(0, ...[...world.requests.keys()].map((name) => Number(name.split('-')[1]))) + 1;
  const watching = world.cli('watch', `public-${next}`, '--json');
  await sleep(300); /* it may as well come later: what is recorded is told first */
  const [name] = await world.ask(1, { types: [5] });
  assert.equal(name, `public-${next}`);
  const { code, output } = await watching;
  assert.equal(code, 0);
  const lines = output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  assert.deepEqual(lines, (await look.show(name)).history);
  assert.equal(lines[0].state, 'seen');
  assert.equal(lines.at(-1).state, 'done');

  /* Of one that is over: its history, at once. */
  const past = await world.cli('watch', name);
  assert.equal(past.code, 0);
  assert.equal(past.output.split('\n').filter((line) => line.includes(` ${name} `)).length, lines.length);

  assert.equal((await world.cli('pause', 'core')).code, 0);
  const [other] = await world.ask(1, { types: [5] });
  await look.waitState(other, 'computing');
  const dropped = world.cli('watch', other);
  assert.equal((await world.cli('drop', other)).code, 0);
  const how = await dropped;
  assert.equal(how.code, 1);
  assert.match(how.output.trim().split('\n').at(-1), /refused +block \d+ +dropped by an operator$/);
  assert.equal((await world.cli('continue', 'core')).code, 0);
  /* The contract still wants it. */
  assert.equal((await world.cli('retry', other)).code, 0);
  await look.answered([other]);
});

test('watch follows all, across a killed executor, and ends in order when it is asked to', { timeout: 60000 }, async () => {
  const file = path.join(world.dir, 'watch.log');
  const whole = listen('');
  await until('a stream', () => whole.lastId !== null);
  const { length: before } = whole.changes; /* the end of what was asked for earlier */
  const printed = () => {
    return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  };
  const watching = world.background(['watch', '--json', '--since', whole.lastId], { output: file });
  const names = await world.ask(10, { types: [5] });
  await until('it has printed something', () => printed().length > 0);
  world.signal('kms-executor', 'SIGKILL');
  names.push(...await world.ask(10, { types: [5] }));
  await look.answered(names, 30000);
  await until('the stream and the command have heard the same', () => {
    const done = new Set(whole.changes.filter((c) => c.state === 'done').map((c) => c.id));
    const open = names.filter((name) => !done.has(name));
    if (open.length) throw new Error(`the stream has not heard the end of ${open}`);
    if (printed().length === whole.changes.length - before) return true;
    throw new Error(`${printed().length} printed, ${whole.changes.length - before} heard`);
  }, 20000);
  assert.deepEqual(printed(), whole.changes.slice(before));
  watching.signal('SIGINT');
  assert.deepEqual(await watching.exited, { code: 0, signal: null, error: undefined });
  assert.match(fs.readFileSync(file, 'utf8'), /the executor is away; watching goes on when it is back/);
  whole.cut();
});

test('lists with filters and pages give each request once', { timeout: 60000 }, async () => {
  const names = [...world.requests.keys()];
  const pages = async (page) => {
    const rows = [];
    for (let before = null, n = 0; n === 0 || before; n++) {
      const { requests, next } = await page(before);
      rows.push(...requests);
      before = next;
    }
    return rows.map((row) => row.id);
  };
  const byCommand = (...words) => pages(async (before) => {
    const { output } = await world.cli('list', '--json', ...words, ...(before ? ['--before', String(before)] : []));
    return JSON.parse(output);
  });
  const byHttp = (query) => pages((before) => get(`/v1/requests?${query}${before ? `&before=${before}` : ''}`));
  const newestFirst = [...names].sort((a, b) => Number(b.split('-')[1]) - Number(a.split('-')[1]));

  for (const ids of [await byCommand('--limit', '37'), await byHttp('limit=31'), await byHttp('kind=public&limit=50'),
    await byHttp('state=done'), await byCommand('--state', 'done', '--kind', 'public', '--since', '1h')]) {
    assert.equal(ids.length, new Set(ids).size);
    assert.deepEqual([...ids].sort(), [...names].sort());
  }
  assert.equal((await byHttp('limit=200')).length, names.length);
  assert.deepEqual(await byHttp('state=held'), []);
  assert.deepEqual(await byHttp('kind=keygen'), []);
  assert.deepEqual(await byCommand('--until', '1h'), []);
  assert.deepEqual(await byHttp('reason=nothing%20like%20this'), []);

  /* By the time at which they were seen. */
  const { requests } = await get('/v1/requests?limit=200');
  const middle = requests[Math.floor(requests.length / 2)].seen_ms;
  const late = requests.filter((row) => row.seen_ms >= middle).map((row) => row.id);
  assert.deepEqual((await byHttp(`since=${middle}&limit=200`)).sort(), [...late].sort());
  const early = await byHttp(`until=${middle}&limit=7`);
  assert.deepEqual([...early, ...late].sort(), [...names].sort());

  /* By a word of the reason: what an operator dropped and asked for again says so no more. */
  assert.equal((await world.cli('pause', 'core')).code, 0);
  const [name] = await world.ask(1, { types: [5] });
  await look.waitState(name, 'computing');
  assert.equal((await world.cli('drop', name)).code, 0);
  await until('it is refused', async () => (await byHttp('reason=DROPPED%20by&state=refused'))[0] === name);
  assert.deepEqual(await byCommand('--reason', 'dropped by an operator'), [name]);
  assert.equal((await world.cli('continue', 'core')).code, 0);
  assert.equal((await world.cli('retry', name)).code, 0);
  await look.answered([name]);
  assert.equal(newestFirst.length + 1, world.requests.size);
});

test('a reorganisation is told: its transaction left, it is done again', { timeout: 60000 }, async () => {
  const stream = listen('?kind=public');
  await until('a stream', () => stream.lastId !== null);
  const [name] = await world.ask(1, { types: [5] });
  await look.answered([name]);
  await look.waitState(name, 'done');
  await world.chain.reorg(1);
  const states = () => stream.changes.filter((c) => c.id === name).map((c) => c.state);
  await until('it is done again', () => states().filter((s) => s === 'done').length === 2, 20000);
  const left = stream.changes.findLast((c) => c.id === name && c.state === 'submitting');
  assert.equal(left.reason, 'its transaction left the chain');
  assert.ok(left.tx, 'its transaction is the same');
  assert.deepEqual(states(), (await look.show(name)).history.map((c) => c.state));
  stream.cut();
});

test('a store that was lost is said, not passed over', { timeout: 60000 }, async () => {
  const stream = listen('?since=0');
  await until('it has heard something', () => stream.changes.length > 1000);
  const { lastId } = stream;
  stream.cut();
  await world.stopConnector();
  fs.rmSync(path.join(world.config.data_dir, 'store'), { recursive: true });
  await world.startConnector();
  await look.waitFine(20000);
  const again = listen('', { lastId });
  await until('a reset', () => again.resets.length > 0);
  assert.equal(again.resets.length, 1);
  assert.match(again.resets[0].why, /begun anew/);
  assert.ok(again.resets[0].after > Number(lastId), 'numbers never come again');
  /* What is read again from the chain is told, and closes as done. */
  const names = [...world.requests.keys()];
  await until('every request is told again', () => {
    return new Set(again.changes.filter((c) => c.state === 'done').map((c) => c.id)).size === names.length;
  }, 30000);
  await sawEverything(again.changes, names);
  again.cut();
  await look.judged();
});
