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
 * is looked at when a tenth is done and at the end.
 */
export async function backlog({ count = 100000, livePerSecond = 20 } = {}) {
  const rig = await startRig({ idle: true, chain: { behindS: 36000 } });
  try {
    await rig.begin(count, { perBlock: 200 });
    await rig.world.chain.set({ behindS: 0 });
    await rig.world.chain.mine(70); /* what is finalized is read in ranges */
    await rig.world.startConnector();
    const began = Date.now();
    const live = [];
    let first = 0;
    let last = 0;
    while (await rig.answered() < rig.asked - live.length) {
      if (Date.now() - began > 60000 + count * 20) throw new Error('the backlog does not end');
      const done = await rig.answered();
      const now = rig.pssKib();
      if (done > count / 10) first ||= now;
      if (done > count * 0.8) last = Math.max(last, now);
      const at = Date.now();
      const ids = done > count / 20 && done < count * 0.95 ? await rig.begin(Math.round(livePerSecond / 4)) : [];
      for (const id of ids) live.push([id, at]);
      await sleep(250);
    }
    await rig.drain();
    const took = (Date.now() - began) / 1000;
    await rig.judge();
    const waits = await delays(rig, live);
    return {
      figures: [
        figure('backlog: memory at 4/5 to that at 1/10', last / first, 'x', 1.1,
          { beside: `${count} requests in ${took.toFixed(0)} s; ${(last / MIB).toFixed(1)} MiB at the end` }),
        figure('backlog: live requests meanwhile, p99', quantile(waits, 0.99), 'ms', 1000,
          { beside: `p50 ${quantile(waits, 0.5).toFixed(0)} ms of ${waits.length}` }),
      ],
    };
  } finally {
    await rig.stop();
  }
}
