/*
 * process - starts the programs that stand around the product, and makes sure they end.
 *
 * Every program started here is known by its process id and is ended by it: by stop(), or when
 * this process ends for whatever reason (also by a signal; where setpriv exists, also by SIGKILL).
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const alive = new Set(); /* child processes that still run */
const leftovers = new Set(); /* directories to remove when this process ends */
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((f) => fs.existsSync(f));
let hooked = false;

function hook() {
  if (hooked) return;
  hooked = true;
  process.on('exit', () => {
    const ours = [...alive].map((child) => child.pid);
    for (const pid of [...ours.flatMap((one) => descendants(one).map((p) => p.pid)), ...ours]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        /* already gone */
      }
    }
    for (const dir of leftovers) fs.rmSync(dir, { recursive: true, force: true });
  });
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    process.on(signal, () => process.exit(code));
  }
}

/** One process as the system shows it, or null: { pid, name, ppid, state, cpuMs }. */
export function readProcess(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const rest = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const cpuMs = (Number(rest[11]) + Number(rest[12])) * 10;
    return { pid, name, ppid: Number(rest[1]), state: rest[0], cpuMs };
  } catch {
    return null;
  }
}

/** Children of a process, and theirs; without the process itself. */
export function descendants(pid) {
  const all = fs.readdirSync('/proc').filter((f) => /^\d+$/.test(f)).map((f) => readProcess(Number(f)));
  const found = [];
  for (let parents = new Set([pid]); parents.size;) {
    const next = all.filter((p) => p && parents.has(p.ppid));
    found.push(...next);
    parents = new Set(next.map((p) => p.pid));
  }
  return found;
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks until the answer is true (or anything truthy), and returns it; throws after timeoutMs. */
export async function until(what, ask, timeoutMs = 10000, everyMs = 20) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const got = await ask();
      if (got) return got;
      last = undefined;
    } catch (e) {
      last = e;
    }
    if (Date.now() >= end) {
      throw new Error(`waited ${timeoutMs} ms for: ${what}${last ? ` (${last.message})` : ''}`);
    }
    await sleep(everyMs);
  }
}

/** A new directory of our own under the system's temporary one; removed at the end unless kept. */
export function temporaryDir(name, keep = false) {
  hook();
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `${name}-`));
  if (!keep) leftovers.add(dir);
  return dir;
}

export function removeDir(dir) {
  leftovers.delete(dir);
  fs.rmSync(dir, { recursive: true, force: true });
}

const given = new Set(); /* ports handed out by this process */

/** A port that is free now, below the range the system takes client ports from. */
export async function freePort() {
  for (let i = 0; i < 200; i++) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    if (given.has(port)) continue;
    const free = await new Promise((resolve) => {
      const s = net.createServer();
      s.once('error', () => resolve(false));
      s.listen(port, '127.0.0.1', () => s.close(() => resolve(true)));
    });
    if (free) {
      given.add(port);
      return port;
    }
  }
  throw new Error('no free port found');
}

/**
 * Starts a program.  `output` is a file that gets both outputs (appended), or 'pipe' for stdout
 * as a stream; nothing else goes to the terminal.  Returns { child, pid, exited, stop, kill }:
 * `exited` is a promise of { code, signal }.
 */
export function start(program, args, { env, cwd, output, orphans = false } = {}) {
  hook();
  let sink = 'ignore';
  if (output && output !== 'pipe') sink = fs.openSync(output, 'a');
  const stdio = output === 'pipe' ? ['ignore', 'pipe', 'inherit'] : ['ignore', sink, sink];
  const wrap = setpriv && !orphans;
  const child = spawn(
    wrap ? setpriv : program,
    wrap ? ['--pdeathsig', 'KILL', '--', program, ...args] : args,
    { env: env ?? process.env, cwd, stdio },
  );
  if (typeof sink === 'number') fs.closeSync(sink);
  const self = { child, pid: child.pid, ended: null };
  self.exited = new Promise((resolve) => {
    const over = (code, signal, error) => {
      alive.delete(child);
      self.ended = { code, signal, error };
      resolve(self.ended);
    };
    child.once('exit', (code, signal) => over(code, signal));
    child.once('error', (error) => over(null, null, error));
  });
  if (child.pid) alive.add(child);
  self.signal = (name) => {
    if (!self.ended) {
      try {
        process.kill(child.pid, name);
      } catch {
        /* it ended in this instant */
      }
    }
  };
  /** Asks it to end, insists after patienceMs; resolves with { code, signal }. */
  self.stop = async (name = 'SIGTERM', patienceMs = 5000) => {
    if (self.ended) return self.ended;
    self.signal('SIGCONT');
    self.signal(name);
    const timer = setTimeout(() => self.signal('SIGKILL'), patienceMs);
    const how = await self.exited;
    clearTimeout(timer);
    return how;
  };
  self.kill = () => self.stop('SIGKILL');
  return self;
}

/** The first line of a started program's stdout, as JSON: how a peer says that it is ready. */
export function readyLine(proc, timeoutMs = 10000) {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (why) => reject(new Error(`peer did not become ready: ${why}`));
    /* Once more round the loop: what held up this process may have held up the line only. */
    const timer = setTimeout(() => setTimeout(() => text !== null && fail('timeout'), 500), timeoutMs);
    proc.exited.then((how) => fail(`ended ${JSON.stringify(how)}`));
    proc.child.stdout.setEncoding('utf8');
    proc.child.stdout.on('data', (chunk) => {
      if (text === null) return;
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      const line = text.slice(0, end);
      text = null;
      resolve(JSON.parse(line));
    });
  });
}
