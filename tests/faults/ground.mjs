/*
 * ground - where one fault is made: a fast chain of one or more nodes, a Core and a storage, a
 * proxy with faults before each, and a connector.  Every case has a ground of its own.
 *
 *   const g = await startGround({ nodes: 2 });
 *   await g.start();
 *   await g.proxies[0].fault('reset', { at: 100 });
 *   const names = await g.ask(3);
 *   await g.heals(names, () => g.proxies[0].clear());      // measured
 *   await g.finish();                                      // judged
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { faultsIn } from '../peers/fakechain.mjs';
import { until } from '../peers/process.mjs';
import { faultsInJournal } from '../system/journal.mjs';
import { lookAt } from '../system/look.mjs';
import { startWorld } from '../system/world.mjs';

const SENDS_OF_ONE = 4; /* of the bytes of a transaction; besides: */
const SENDS_PER_SECOND = 20;
const LINES_PER_SECOND = 50; /* of the log, whatever a peer does */
const LINES_AT_ONCE = 100; /* besides: for each start, a burst */
const MEMORY_KB = 256 * 1024; /* of all processes together, at their worst */
const FILES_MORE = 12; /* of a process, than in the beginning: links that come and go, the store's */
const CONNECTIONS = 96; /* of a process over TCP, kept for a while: pools have limits of their own */

/** Lines that would say that something was believed: a reorganisation, a foreign nonce, a hold. */
export const UNMOVED = { L009: 0, L010: 0, T003: 0, T004: 0, X010: 0 };

/** Until all blocks are read, and the executor has granted them. */
export const atHead = (g, timeoutMs = 20000) => until('the listener is at the head', async () => {
  const { listener_cursor: cursor, listener_latest: latest } = await g.look.counters();
  const head = await g.chain.head();
  return cursor === head && latest === head;
}, timeoutMs);

/**
 * Options: those of startWorld, and nodes: how many chain nodes the connector knows (1), all of one
 * chain; node k is door k + 1 of the fake chain (lies: { lie, door: k + 1 }) behind proxies[k].
 * slack: so many times longer than said may a recovery take (1).
 */
export async function startGround({ nodes = 1, slack = 1, chain, core, bucket, config, ...options } = {}) {
  const world = await startWorld({
    faultProxies: true,
    chain: { fake: true, doors: nodes + 1, ...chain }, core: { fake: true, ...core }, bucket: { fake: true, ...bucket },
    config: { retry_interval_secs: 1, ...config }, ...options,
  });
  const look = lookAt(world);
  const self = {
    world, look, recoveredMs: 0, began: Date.now(), descriptors: null,
    chain: world.chain, core: world.core, bucket: world.bucket,
    proxies: world.proxies, coreProxy: world.coreProxy, bucketProxy: world.bucketProxy,
  };

  /** The connector runs, nothing is paused. */
  self.start = async (how) => {
    await world.startConnector(how);
    await look.waitFine();
    self.descriptors ??= descriptorsOf(world);
  };
  /** So many public decryptions, each in a block of its own: their names. */
  self.ask = (count = 3, how = {}) => world.ask(count, { types: [0, 5, 8], perTx: 1, ...how });
  self.answered = (names, timeoutMs = 30000) => look.answered(names, timeoutMs);

  /**
   * Ends the fault by end() and measures until all of `names` are answered and nothing is paused;
   * fails if that takes more than withinMs, or `slack` times that.  Time in which this machine did
   * not come to run us is not the connector's: a loaded machine is allowed it besides.
   */
  self.heals = async (names, end, withinMs = 2000) => {
    const began = Date.now();
    const held = heldUp();
    await end();
    await look.answered(names, withinMs * slack + 10000);
    await until('ready again', async () => (await self.ready()) === 200 && !(await self.paused()), withinMs * slack + 10000, 20);
    const took = Date.now() - began;
    const heldMs = held();
    self.recoveredMs = Math.max(self.recoveredMs, took);
    const allowed = withinMs * slack;
    assert.ok(took - heldMs <= allowed, `working again after ${took} ms (${heldMs} ms of it we did not run), allowed are ${allowed}`);
  };
  /** The status of /readyz, or 0 when nobody answers. */
  self.ready = () => fetch(`${world.monitorUrl}/readyz`).then((r) => r.status, () => 0);

  /** Whether the Core, the storage or sending is paused. */
  self.paused = async () => Object.entries(await look.counters()).some(([name, n]) => name.startsWith('executor_paused') && n > 0);

  /** The highest memory that each process of now ever had, in KiB: name -> VmHWM. */
  self.peaks = () => Object.fromEntries(world.processes().map((p) => [p.name, highest(p.pid)]));

  /**
   * The judgement that every case ends with: the chain's ledger, the journal, our own log and memory.
   * `how`: options of world.judge(), open: how many requests stay without an answer of ours,
   * reverted: how many transactions of ours had to revert, left: how often one left the chain and
   * had to be sent again, strangers: that of faultsInJournal(), and ledger: the chain's ledger alone
   * judges (of very many requests).
   */
  self.finish = async ({ open = 0, reverted = 0, left = 0, strangers, ledger = false, ...how } = {}) => {
    if (open === 0 && !world.connector.ended) { /* what would come too late, comes now */
      await look.waitCounter('executor_active', (n) => n === 0, 30000);
      await look.waitCounter('submitter_in_flight', (n) => n === 0, 30000);
    }
    const verdict = await world.chain.judge(world.node.address);
    const problems = faultsIn(verdict, { open, reverted });
    const seconds = (Date.now() - self.began) / 1000;
    if (verdict.received > SENDS_OF_ONE * (verdict.transactions + left) + SENDS_PER_SECOND * seconds) {
      problems.push(`${verdict.received} times bytes of ${verdict.transactions} transactions, of which ${left} left, in ${seconds.toFixed(1)} s`);
    }
    if (!ledger) {
      problems.push(...faultsInJournal(world.config.data_dir, await world.chain.sentBy(world.node.address), { strangers }));
      problems.push(...(await world.judge({ unanswered: open > 0, ...how })).problems);
    }
    const lines = world.log().split('\n').length;
    const starts = look.lines('G001', { proc: 'supervisor' }).length + look.lines('S007').length; /* a reload starts most again */
    if (lines > LINES_AT_ONCE * Math.max(1, starts) + LINES_PER_SECOND * seconds) problems.push(`${lines} lines of log in ${seconds.toFixed(1)} s`);
    const peak = Object.values(self.peaks()).reduce((a, b) => a + b, 0);
    if (peak > MEMORY_KB && !process.env.KMS_SANITIZERS) problems.push(`${peak} KiB of memory`);
    if (self.descriptors && !world.connector.ended) {
      const more = () => moreDescriptors(self.descriptors, descriptorsOf(world));
      await until('descriptors are closed', () => !more().length, 5000, 100).catch(() => problems.push(...more()));
    }
    assert.deepEqual(problems, []);
  };
  self.stop = () => world.stop();
  return self;
}

/** From now on: the milliseconds by which a timer of ours comes late, all together; a function that ends it. */
function heldUp() {
  const every = 10;
  let last = performance.now();
  let ms = 0;
  const look = () => {
    const now = performance.now();
    ms += Math.max(0, now - last - every - 5);
    last = now;
  };
  const timer = setInterval(look, every).unref();
  return () => {
    look();
    clearInterval(timer);
    return Math.round(ms);
  };
}

function highest(pid) {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0; /* it left in this instant */
  }
}

/* Numbers of all TCP sockets of this machine. */
function tcpSockets() {
  const lines = ['tcp', 'tcp6'].flatMap((name) => fs.readFileSync(`/proc/net/${name}`, 'latin1').split('\n').slice(1));
  return new Set(lines.map((line) => line.trim().split(/\s+/)[9]));
}

/* name -> { files, connections } that are open now. */
export function descriptorsOf(world) {
  const tcp = tcpSockets();
  const isConnection = (link) => tcp.has(/^socket:\[(\d+)\]$/.exec(link)?.[1]);
  const orNothing = (read) => {
    try {
      return read();
    } catch {
      return []; /* it left in this instant, or closed that one */
    }
  };
  return Object.fromEntries(world.processes().map(({ name, pid }) => {
    const dir = `/proc/${pid}/fd`;
    const links = orNothing(() => fs.readdirSync(dir)).flatMap((fd) => orNothing(() => [fs.readlinkSync(`${dir}/${fd}`)]));
    const connections = links.filter(isConnection).length;
    return [name, { files: links.length - connections, connections }];
  }));
}

function moreDescriptors(before, now) {
  return Object.entries(now).flatMap(([name, { files, connections }]) => [
    ...(files > (before[name]?.files ?? 0) + FILES_MORE ? [`${name} has ${files} open files, ${before[name]?.files} in the beginning`] : []),
    ...(connections > CONNECTIONS ? [`${name} has ${connections} connections`] : []),
  ]);
}
