/*
 * process - processes that die, hang or do not understand each other.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep, start, until } from '../peers/process.mjs';
import { meetCalls, onCrashGround } from './crashes.mjs';
import { layPrograms } from './programs.mjs';

const built = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', process.env.B ?? 'build');
const CHILDREN = ['kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor'];
const roleOf = (name) => name.slice('kms-'.length);

/** name -> pid of all processes that run. */
const pidsOf = (g) => Object.fromEntries(g.world.processes().filter((p) => p.state !== 'Z').map((p) => [p.name, p.pid]));

/** Requests one after the other until it has worked for so long; a child that did is proved. */
async function worksFor(g, ms) {
  for (const end = Date.now() + ms; Date.now() < end;) await g.answered(await g.ask(1));
}

const PROVED_MS = 5500; /* a child that was ready for so long is started again at once */
const BURST = 4; /* deaths in a row: the back-off is 0.1, 0.2, 0.4, 0.8 s */

/* One child is killed at a seeded moment while requests are open: it is back, nobody else went. */
async function childKilled(t, name) {
  const g = await t.ground({ core: { delayMs: 50 } });
  await g.start();
  for (let k = 0; k < t.times; k++) {
    if (k && k % BURST === 0) await worksFor(g, PROVED_MS);
    const mark = g.look.mark();
    const before = pidsOf(g);
    const names = await g.ask(3);
    await sleep(t.random.below(120));
    await g.heals(names, async () => {
      g.world.signal(name);
      const began = Date.now();
      await until(`${name} again`, () => (pidsOf(g)[name] ?? before[name]) !== before[name], 5000, 5);
      const took = Date.now() - began;
      assert.ok(took <= 1000, `${name} is started again after ${took} ms`);
    });
    const line = g.look.lines('S003', { from: mark });
    assert.deepEqual(line.map((l) => l.child), [roleOf(name)], 'one line, about that child');
    const after = pidsOf(g);
    for (const other of Object.keys(before)) if (other !== name) assert.equal(after[other], before[other], `${other} is the same`);
  }
  assert.equal((await g.look.counters()).supervisor_deaths, t.times);
  await g.look.waitFine();
  await g.finish();
}

export const P01 = (t) => childKilled(t, 'kms-listener');
export const P02 = (t) => childKilled(t, 'kms-executor');
export const P03 = (t) => childKilled(t, 'kms-submitter');
export const P04 = (t) => childKilled(t, 'kms-signer');
export const P05 = (t) => childKilled(t, 'kms-monitor');

/* The supervisor is killed: its children leave within a second, and what starts it anew goes on. */
export async function P06(t) {
  const g = await t.ground({ core: { delayMs: 50 } });
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const names = await g.ask(3);
    await sleep(t.random.below(120));
    await g.heals(names, async () => {
      const began = Date.now();
      const { orphans } = await g.world.killConnector();
      const took = Date.now() - began;
      assert.deepEqual(orphans, []);
      assert.ok(took <= 1000, `its children are gone after ${took} ms`);
      await g.world.startConnector({ init: false });
    });
  }
  await g.look.waitFine();
  await g.finish();
}

/*
 * Children are stopped in the middle of work: each is seen within 10 s, killed and replaced, with
 * one line.  First all five of them, then one at a time.  SIGABRT waits while it is stopped, so
 * SIGKILL follows after a second: that is where the fault ends.
 */
export async function P07(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const stopped = k ? [CHILDREN[(k - 1) % CHILDREN.length]] : CHILDREN;
    await worksFor(g, k ? PROVED_MS : 1);
    const mark = g.look.mark();
    const before = pidsOf(g);
    const names = await g.ask(3);
    for (const name of stopped) g.world.signal(name, 'SIGSTOP');
    const began = Date.now();
    for (const name of stopped) await g.look.waitLine('S004', { from: mark, child: roleOf(name) }, 16000);
    assert.ok(Date.now() - began <= 12000, 'it is seen');
    await g.heals(names, () => until('they are gone', () => stopped.every((name) => pidsOf(g)[name] !== before[name]), 3000, 5));
    await g.look.waitFine();
    g.look.counted(mark, { S004: stopped.length, S003: stopped.length, S005: 0 });
  }
  assert.equal((await g.look.counters()).supervisor_hangs, CHILDREN.length + t.times - 1);
  await g.finish();
}

/* What a child's program may be instead: how it ends, and whether that waits for the operator. */
const ENDS = [
  ['kms-executor', 70, false], ['kms-signer', 78, true], ['kms-submitter', 74, false], ['kms-listener', 65, true],
  ['kms-monitor', 71, false], ['kms-submitter', 77, true], ['kms-signer', null, false], ['kms-listener', 1, false],
];

/*
 * A program ends as soon as it is started, or is not there: its back-off doubles, nobody else is
 * touched, and when it is whole again it is started without anybody's doing.  A code that says
 * "not with this configuration" is said once and waits for a reload.
 */
export async function P09(t) {
  const programs = layPrograms();
  try {
    const g = await t.ground(programs.options());
    await g.start();
    for (let k = 0; k < t.times; k++) {
      const [name, code, waits] = ENDS[k % ENDS.length];
      const role = roleOf(name);
      await worksFor(g, k < ENDS.length ? 1 : PROVED_MS);
      const mark = g.look.mark();
      const before = pidsOf(g);
      if (code === null) fs.rmSync(programs.file(name));
      else programs.replace(name, `#!/bin/sh\nexit ${code}\n`);
      g.world.signal(name);
      if (waits) {
        await g.look.waitLine('S005', { from: mark, child: role, how: `exit ${code}` });
        await g.look.waitStatus(new RegExp(`^needs you: .*${role}`, 's'));
      } else {
        await until('it is tried three times', () => g.look.lines('S003', { from: mark, child: role }).length >= 4, 15000);
      }
      const names = await g.ask(2);
      await g.heals(names, async () => {
        programs.restore(name);
        if (waits) g.world.signal('kms-connector', 'SIGHUP');
      });
      const after = pidsOf(g);
      for (const other of Object.keys(before)) if (other !== name) assert.equal(after[other], before[other], `${other} is the same`);
      const pauses = g.look.lines('S003', { from: mark, child: role }).map((l) => Number(l.again_in_ms));
      for (let i = 2; i < pauses.length; i++) assert.equal(pauses[i], 2 * pauses[i - 1], `pauses: ${pauses}`);
      g.look.counted(mark, { S005: waits ? 1 : 0, G007: 0 });
    }
    await g.finish();
  } finally {
    programs.remove();
  }
}

/** Most files that a process may have: `spare` above the highest that it has. */
function limitFiles(pid, spare) {
  const highest = Math.max(...fs.readdirSync(`/proc/${pid}/fd`).map(Number));
  execFileSync('prlimit', ['--pid', pid, `--nofile=${highest + 1 + spare}:`]);
}

const freeFiles = (pid) => execFileSync('prlimit', ['--pid', pid, '--nofile=1024:']);

/*
 * No process can open anything any more while its connections are cut: they wait, none of them
 * ends or spins, and go on by themselves.  Then starts with so few files that some can never
 * work: none of them hangs.
 */
export async function P10(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const mark = g.look.mark();
    const before = pidsOf(g);
    const names = await g.ask(2);
    for (const pid of Object.values(before)) limitFiles(pid, k % 4);
    for (const proxy of [...g.proxies, g.coreProxy, g.bucketProxy]) await proxy.drop();
    names.push(...await g.ask(3));
    const used = () => Object.fromEntries(g.world.processes().map((p) => [p.name, p.cpuMs]));
    const from = used();
    const clients = Array.from({ length: 4 }, () => fetch(`${g.world.monitorUrl}/livez`, { signal: AbortSignal.timeout(3000) }).catch(() => {}));
    await sleep(700); /* what they use of the processor in that time */
    for (const [name, ms] of Object.entries(used())) assert.ok(ms - from[name] < 350, `${name} spins: ${ms - from[name]} ms`);
    await g.heals(names, () => Object.values(pidsOf(g)).forEach(freeFiles));
    await Promise.all(clients);
    assert.deepEqual(pidsOf(g), before, 'nobody ended');
    g.look.counted(mark, { G007: 0, S003: 0 });
  }
  await g.finish();
  for (let k = 0; k < Math.ceil(t.times / 2); k++) await startWithFewFiles(t, 8 + (k % 2 ? 11 : 29) * (k % 5));
}

async function startWithFewFiles(t, most) {
  const g = await t.ground();
  assert.equal((await g.world.cli('key', 'init')).code, 0);
  const names = await g.ask(2);
  g.world.wrap = ['prlimit', `--nofile=${most}:`];
  await g.world.startConnector();
  g.world.wrap = [];
  await Promise.race([g.world.connector.exited, g.look.waitLine('G001', { proc: 'supervisor' }), sleep(2000)]);
  if (g.world.connector.ended) {
    assert.ok([71, 74, 127].includes(g.world.connector.ended.code), `with ${most} files it ended with ${JSON.stringify(g.world.connector.ended)}`);
    await g.world.startConnector();
  }
  await g.heals(names, () => Object.values(pidsOf(g)).forEach(freeFiles));
  await g.finish();
}

const HARMLESS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGCHLD', 'SIGCONT', 'SIGWINCH', 'SIGURG'];

/*
 * A flood of signals that ask for nothing, or for a reload, at every process while it works:
 * nobody ends for it, and each of the two requests to stop is obeyed in time.
 */
export async function P13(t) {
  const g = await t.ground();
  await g.start();
  const before = pidsOf(g);
  const mark = g.look.mark();
  for (let k = 0; k < t.times; k++) {
    const names = await g.ask(4);
    const pids = Object.values(before);
    for (let i = 0; i < 2000; i++) process.kill(t.random.pick(pids), t.random.pick(HARMLESS));
    await g.heals(names, () => {});
    assert.deepEqual(pidsOf(g), before, 'nobody ended');
  }
  assert.ok((await g.look.counters()).supervisor_reloads >= t.times, 'SIGHUP is a reload');
  g.look.counted(mark, { S003: 0, S008: 0, G007: 0 });
  for (const last of ['SIGTERM', 'SIGINT']) {
    const names = await g.ask(3);
    const { pid } = g.world.connector;
    const began = Date.now();
    const over = g.world.connector.stop(last, 10000);
    for (let i = 0; i < 200 && !g.world.connector.ended; i++) {
      process.kill(pid, t.random.pick(HARMLESS));
      await sleep(1);
    }
    const how = await over;
    assert.deepEqual({ code: how.code, signal: how.signal }, { code: 0, signal: null }, last);
    assert.ok(Date.now() - began < 5000, 'it leaves in time');
    await g.heals(names, () => g.world.startConnector());
  }
  await g.finish();
}

/** A copy of a program that says it is of another build. */
function ofAnotherBuild(file) {
  const hash = fs.readFileSync(path.join(built, 'hash'), 'latin1').trim();
  const text = fs.readFileSync(file);
  const at = text.indexOf(hash);
  assert.ok(at > 0, 'its build stands in it');
  text.write([...hash].reverse().join(''), at, 'latin1');
  return text;
}

/*
 * One program is of another build than the others, as in the middle of an upgrade: it is not
 * spoken to, whoever met it says so and keeps on trying; when it is replaced all goes on.
 */
export async function P26(t) {
  const programs = layPrograms();
  try {
    const g = await t.ground(programs.options());
    await g.start();
    for (let k = 0; k < t.times; k++) {
      const name = ['kms-submitter', 'kms-listener', 'kms-signer', 'kms-executor'][k % 4];
      const role = roleOf(name);
      await worksFor(g, k ? PROVED_MS : 1);
      const mark = g.look.mark();
      programs.replace(name, ofAnotherBuild(programs.file(name)));
      g.world.signal(name);
      await g.look.waitLine('G005', { from: mark, packet: 'hello' });
      await until('not ready', async () => (await g.ready()) === 503);
      const names = await g.ask(3);
      await until('it was tried again', () => g.look.lines('S001', { from: mark, child: role }).length >= 1);
      await worksNot(g, names);
      await g.heals(names, () => {
        programs.restore(name);
        g.world.signal(name);
      });
      const said = g.look.lines('G005', { from: mark }).map((l) => `${l.proc} of ${l.link}`);
      const most = (end) => (end === 'monitor of monitor' ? 2 : 1); /* it has two links */
      for (const end of said) assert.ok(said.filter((one) => one === end).length <= most(end), `each end says it once: ${said}`);
    }
    await g.finish();
  } finally {
    programs.remove();
  }
}

/** Nothing is answered and nothing is sent in the time of several attempts. */
async function worksNot(g, names) {
  await sleep(1500);
  assert.deepEqual((await g.world.waitAnswered(0, { names })).missing, names);
}

const STRANGE = ['/../../../../etc/passwd', '//etc/passwd', '/..%2f..%2fetc/passwd', '/%2e%2e/%2e%2e/etc/passwd',
  '/v1/requests/../../etc/passwd', '/v1/requests/..%2f..%2f..%2fetc%2fpasswd', '/v1/requests/%00', '/metrics/../../key',
  '/\\..\\..\\etc\\passwd', '/v1/requests?limit=99999999999999999999', `/${'a'.repeat(600)}`, 'http://elsewhere/', '*'];

/** Says `text` to the monitor and gives all that it answers; `hold`: and leaves it open. */
function say(g, text, hold = false) {
  return new Promise((resolve) => {
    const parts = [];
    const socket = net.connect({ host: '127.0.0.1', port: g.world.monitorPort, allowHalfOpen: true });
    socket.on('data', (part) => parts.push(part));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
    socket.on('end', () => socket.end());
    socket.write(text);
    if (hold) resolve(socket);
  });
}

/*
 * The window for operators is flooded: clients that never end their request, that send too much,
 * that take nothing, hundreds at once, paths to files.  Nothing else is slowed, nothing is given
 * away, its memory stays small, and when they are gone it answers at once.
 */
export async function P27(t) {
  const g = await t.ground();
  await g.start();
  const before = pidsOf(g);
  for (let k = 0; k < t.times; k++) {
    for (const target of STRANGE) {
      const got = await say(g, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match(got, /^HTTP\/1\.1 (400|404) /, target);
      assert.ok(!/root:|[0-9a-f]{64}/.test(got), `${target} gives something away`);
    }
    for (const text of [`GET / HTTP/1.1\r\nX: ${'y'.repeat(5000)}`, 'POST / HTTP/1.1\r\n\r\n', 'GET /\0 HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\0\x01']) {
      assert.match(await say(g, text), /^HTTP\/1\.1 4\d\d |^$/);
    }
    const slow = await Promise.all(Array.from({ length: 20 }, (_, i) => say(g, 'GET /metrics HTTP/1.1\r\nX: y'.slice(0, 1 + i), true)));
    const deaf = await Promise.all(Array.from({ length: 40 }, () => say(g, 'GET /v1/events?since=0 HTTP/1.1\r\n\r\n', true)));
    deaf.forEach((socket) => socket.pause());
    const storm = Promise.all(Array.from({ length: 200 }, (_, i) => say(g, `GET ${['/', '/metrics', '/v1/requests'][i % 3]} HTTP/1.1\r\n\r\n`)));
    const began = Date.now();
    await g.answered(await g.ask(5));
    assert.ok(Date.now() - began < 2000, 'requests are answered meanwhile');
    await g.heals([], async () => {
      for (const socket of [...slow, ...deaf]) socket.destroy();
      await storm;
    }, 6000); /* the storm itself is served within that time */
    assert.ok((await g.look.counters()).monitor_bad_requests >= 5 * (k + 1), 'what was refused is counted');
    assert.ok(g.peaks()['kms-monitor'] < 48 * 1024, 'its memory stays small');
    assert.deepEqual(pidsOf(g), before, 'nobody ended');
  }
  await g.finish();
}

/** A named pipe that nobody reads and that is full; free() reads all that is in it. */
function deafPipe(file) {
  execFileSync('mkfifo', [file]);
  const reader = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const writer = fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  const some = Buffer.alloc(4096, '.');
  const attempt = (call) => {
    try {
      return call();
    } catch (e) {
      if (e.code === 'EAGAIN') return 0;
      throw e;
    }
  };
  return {
    fill() {
      while (attempt(() => fs.writeSync(writer, some)));
    },
    /** At most `bytes` of what is there. */
    read(bytes = 1 << 20) {
      const parts = [];
      for (let n, all = 0; all < bytes && (n = attempt(() => fs.readSync(reader, some, 0, Math.min(some.length, bytes - all)))); all += n) {
        parts.push(Buffer.from(some.subarray(0, n)));
      }
      return Buffer.concat(parts).toString('utf8');
    },
    close: () => [reader, writer].forEach((fd) => fs.closeSync(fd)),
  };
}

/*
 * Whoever reads the log has stopped reading, and the pipe is full: work goes on, a reload that
 * must say something is done too, and the first line after it says how many were lost.  Then the
 * pipe is read a little at a time, so that there is room for one of many.
 */
export async function P28(t) {
  const g = await t.ground();
  const pipe = deafPipe(path.join(g.world.dir, 'sink'));
  try {
    assert.equal((await g.world.cli('key', 'init')).code, 0);
    pipe.fill();
    g.world.wrap = ['sh', '-c', `exec "$0" "$@" 2>${path.join(g.world.dir, 'sink')}`];
    await g.world.startConnector({ init: false });
    g.world.wrap = []; /* commands write elsewhere: they may wait */
    await g.look.waitFine();
    const before = pidsOf(g);
    for (let k = 0; k < t.times; k++) {
      pipe.fill();
      const names = await g.ask(4);
      await g.heals(names, () => {});
      const { supervisor_bad_reloads: bad } = await g.look.counters();
      g.world.writeConfig({ no_such_key: 1 });
      process.kill(g.world.connector.pid, 'SIGHUP');
      await g.look.waitCounter('supervisor_bad_reloads', (n) => n > bad);
      g.world.writeConfig({ no_such_key: undefined });
      process.kill(g.world.connector.pid, 'SIGHUP');
      let text = '';
      for (let i = 0; i < 8; i++) {
        text += pipe.read(4096);
        await g.answered(await g.ask(3));
      }
      for (const { pid, name } of g.world.processes()) {
        assert.notEqual(fs.readFileSync(`/proc/${pid}/wchan`, 'latin1'), 'pipe_write', `${name} waits for its log`);
      }
      await until('it says what was lost', () => / dropped=[1-9]/.test(text += pipe.read()), 5000);
    }
    assert.deepEqual(pidsOf(g), before, 'nobody ended');
    await g.finish();
  } finally {
    pipe.close();
  }
}

/* socket, who connects there */
const DOORS = [['listener.sock', 'listener'], ['monitor.sock', 'monitor'], ['operator.sock', 'operator'],
  ['submitter.sock', 'executor'], ['signer.sock', 'submitter']];

/** tests/faults/stranger.c at a door: { made, sent, closed }. */
async function stranger(t, g, [socket, role], what, count) {
  const output = path.join(g.world.dir, `stranger-${socket}-${what}`);
  const words = [path.join(g.world.config.runtime_dir, socket), role, what, t.random.between(1, 1e6), count];
  const { code } = await start(path.join(built, 'test', 'stranger'), words.map(String), { output }).exited;
  const said = fs.readFileSync(output, 'utf8');
  fs.rmSync(output);
  assert.equal(code, 0, `${socket}, ${what}: ${said}`);
  return JSON.parse(said);
}

/*
 * Someone at each socket sends what is not allowed: packets of any length that mean nothing, no
 * hello, well-formed messages that are not for this socket or not for now, fields by chance.
 * Each such link is closed and said; nobody ends, the others are as before.
 */
export async function P14(t) {
  const g = await t.ground();
  await g.start();
  const before = pidsOf(g);
  for (let k = 0; k < t.times; k++) {
    for (const door of DOORS) {
      const mark = g.look.mark();
      const names = await g.ask(1);
      const [noise, greeted] = await Promise.all([stranger(t, g, door, 'noise', 6), stranger(t, g, door, 'greeted', 3)]);
      assert.equal(noise.closed, noise.made);
      assert.equal(greeted.closed, greeted.made);
      await g.look.waitLine('G005', { from: mark, link: door[0].replace('.sock', '') });
      names.push(...await g.ask(1));
      await g.heals(names, () => {});
      await worksFor(g, 300); /* as much as may be said of them in that time */
    }
  }
  assert.deepEqual(pidsOf(g), before, 'nobody ended');
  assert.ok((await g.look.counters()).signer_bad_packets > 0, 'they are counted');
  g.look.counted(0, { G007: 0, S003: 0 });
  await g.finish();
}

/*
 * Someone asks without end and never reads: who is asked keeps a bounded amount for him, cuts him
 * off or stops reading him, and answers all others as before.
 */
export async function P15(t) {
  const g = await t.ground();
  await g.start();
  const before = pidsOf(g);
  await g.answered(await g.ask(40, { perTx: 20 }));
  for (let k = 0; k < t.times; k++) {
    for (const door of DOORS.filter(([socket]) => /monitor|operator|signer/.test(socket))) {
      const flood = stranger(t, g, door, 'flood', 200000);
      const names = await g.ask(3);
      await g.heals(names, () => {});
      const { sent } = await flood;
      assert.ok(sent < 200000, `${door[0]}: all of it was taken`);
      await g.answered(await g.ask(1));
      assert.deepEqual(pidsOf(g), before, 'nobody ended');
    }
  }
  g.look.counted(0, { G007: 0, S003: 0 });
  await g.finish();
}

/*
 * The signer dies after a sync of its journal, before the answer leaves: asked again it gives the
 * same bytes.  No nonce is ever seen with two of them.
 */
export async function P25(t) {
  await onCrashGround(async (ground) => {
    const met = await meetCalls(ground, 'signer', 'after', { from: 10, many: t.times, fits: /^fdatasync file/ });
    assert.ok(met >= Math.min(t.times, 5), `${met} syncs`);
    const bytes = new Map();
    for (const { from, nonce, hash } of (await ground.chain.ledger()).rows) {
      const key = `${from} ${nonce}`;
      assert.equal(bytes.get(key) ?? hash, hash, `two transactions of nonce ${nonce}`);
      bytes.set(key, hash);
    }
    assert.ok(bytes.size >= t.times);
  });
}
