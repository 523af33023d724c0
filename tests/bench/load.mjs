/*
 * load - figures under load: processor time and requests per second, large ciphertexts, a backlog.
 */
import { sleep } from '../peers/process.mjs';
import { PROCESSES, spent, startRig } from './rig.mjs';
import { sumOfParts } from './limits.mjs';
import { figure, quantile } from './table.mjs';

const MIB = 1024;

/** So many requests at once: { perRequest: { by, sum } in microseconds, perSecond, peers }. */
export async function burst(rig, count) {
  await rig.begin(200);
  await rig.drain();
  const [before, peers, began] = [rig.usage(), rig.peersCpuUs(), Date.now()];
  await rig.begin(count);
  await rig.drain();
  const perSecond = (count * 1000) / (Date.now() - began);
  await rig.settled();
  const { by, sum } = spent(before, rig.usage());
  const each = (all) => Object.fromEntries(Object.entries(all).map(([name, us]) => [name, us / count]));
  const after = rig.peersCpuUs();
  return {
    perRequest: { by: each(by), sum: sum / count }, perSecond,
    peers: each(Object.fromEntries(Object.entries(after).map(([name, us]) => [name, us - peers[name]]))),
  };
}

/** Processor time and requests per second: the best of some rounds. */
export async function throughput(limits, { count = 10000, rounds = 4 } = {}) {
  const rig = await startRig();
  try {
    const runs = [];
    for (let i = 0; i < rounds; i++) runs.push(await burst(rig, count));
    await rig.judge();
    const cheapest = runs.reduce((a, b) => (b.perRequest.sum < a.perRequest.sum ? b : a));
    const parts = sumOfParts(limits);
    const by = PROCESSES.map((name) => ({ name, us: cheapest.perRequest.by[name] ?? 0, parts: parts.by[name] ?? 0 }));
    const peers = Object.values(cheapest.peers).reduce((a, b) => a + b, 0);
    return {
      by, peers: cheapest.peers, runs: runs.map(({ perRequest, perSecond }) => [perRequest.sum, perSecond]),
      figures: [
        figure('processor time per public decryption', cheapest.perRequest.sum, 'us', 400,
          { beside: `parts ${parts.sum.toFixed(0)} us; aim 250 us` }),
        figure('public decryptions per second', Math.max(...runs.map((r) => r.perSecond)), '/s', 2000,
          { atLeast: true, beside: `peers take ${peers.toFixed(0)} us each; ${limits.signatures_per_s} signatures/s` }),
      ],
    };
  } finally {
    await rig.stop();
  }
}

/* The most memory of all processes together while `work` goes on; KiB. */
async function peakOf(rig, work) {
  let over = false;
  let peak = 0;
  const watch = (async () => {
    while (!over) {
      peak = Math.max(peak, rig.pssKib());
      await sleep(100);
    }
  })();
  try {
    await work();
  } finally {
    over = true;
    await watch;
  }
  return peak;
}

/** 50 requests per second with ciphertexts of 2 MiB, for some seconds. */
export async function largeBodies({ perSecond = 50, seconds = 10 } = {}) {
  const rig = await startRig({ size: 2 * MIB * 1024, distinct: 50 });
  try {
    const count = perSecond * seconds;
    const began = Date.now();
    const peak = await peakOf(rig, async () => {
      await rig.pace(perSecond, count);
      await rig.drain();
    });
    const took = (Date.now() - began) / 1000;
    await rig.judge();
    return {
      figures: [
        figure('2 MiB ciphertexts: requests per second', Math.min(count / took, perSecond), '/s', perSecond * 0.95,
          { atLeast: true, beside: `${count} asked in ${seconds} s, all answered after ${took.toFixed(1)} s` }),
        figure('2 MiB ciphertexts: memory of all processes', peak / MIB, 'MiB', 256, { beside: 'sum of PSS, most of it at once' }),
      ],
    };
  } finally {
    await rig.stop();
  }
}

/* Milliseconds from a request to our transaction, of these ids; those without one are left out. */
async function delays(rig, asked) {
  const sent = await rig.sentAt();
  return asked.filter(([id]) => sent.has(id)).map(([id, at]) => sent.get(id) - at);
}

/**
 * Requests of ten hours, none answered yet; while they are worked off some are asked live.  Memory
 * is looked at when a tenth is done (and all is read) and when four fifths are.
 */
export async function backlog({ count = 100000, livePerSecond = 20 } = {}) {
  const rig = await startRig({ idle: true, chain: { behindS: 36000 } });
  try {
    await rig.begin(count, { perBlock: 200 });
    await rig.world.chain.set({ behindS: 0 });
    await rig.world.chain.mine(70); /* what is finalized is read in ranges */
    await rig.world.startConnector();
    const began = Date.now();
    const live = []; /* [id, asked at, was the backlog read then] */
    let readMs = 0;
    let first = null;
    let last = null;
    let peak = 0;
    const total = (usage) => Object.values(usage).reduce((sum, { pssKib }) => sum + pssKib, 0) / MIB;
    for (let done = 0; done < count; done = await rig.answered() - live.length) {
      if (Date.now() - began > 60000 + count * 20) throw new Error('the backlog does not end');
      const { listener_events: events } = await rig.look.counters().catch(() => ({}));
      if (events >= count) readMs ||= Date.now() - began;
      const usage = rig.usage();
      peak = Math.max(peak, total(usage));
      if (done > count / 10 && readMs) first ??= usage;
      if (done > count * 0.8) last ??= usage;
      const at = Date.now();
      const ids = done > 1000 && done < count * 0.95 ? await rig.begin(Math.round(livePerSecond / 4)) : [];
      for (const id of ids) live.push([id, at, readMs > 0]);
      await sleep(250);
    }
    await rig.drain();
    const took = (Date.now() - began) / 1000;
    await rig.judge();
    const grown = Object.keys(first).map((name) => [name, (last[name].pssKib - first[name].pssKib) / MIB]).sort((a, b) => b[1] - a[1]);
    const waits = await delays(rig, live);
    const early = await delays(rig, live.filter(([, , read]) => !read));
    return {
      grown: Object.fromEntries(grown),
      figures: [
        figure('backlog: memory at 4/5 to that at 1/10', total(last) / total(first), 'x', 1.1,
          { beside: `${total(first).toFixed(1)} to ${total(last).toFixed(1)} MiB; ${peak.toFixed(1)} while it was read; most by ${grown[0][0]}, ${grown[0][1].toFixed(1)} MiB` }),
        figure('backlog: requests per second', count / took, '/s', 1000000 / 36000,
          { atLeast: true, beside: `${count} in ${took.toFixed(0)} s; the limit is what came in ten hours` }),
        figure('backlog: live requests meanwhile, p99', quantile(waits, 0.99), 'ms', 1000,
          { beside: `p50 ${quantile(waits, 0.5).toFixed(0)} ms of ${waits.length}, at most ${Math.max(...waits).toFixed(0)}; of ${early.length} while it `
            + `was read (${(readMs / 1000).toFixed(1)} s) at most ${Math.max(0, ...early).toFixed(0)} ms` }),
      ],
    };
  } finally {
    await rig.stop();
  }
}
