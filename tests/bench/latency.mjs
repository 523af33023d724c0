/*
 * latency - what we add: from the last byte that a peer gave to the first that another one gets,
 * as the peers saw it; calls per answer.
 */
import { startRig } from './rig.mjs';
import { figure, quantile } from './table.mjs';

/* name, what we were given, what we asked next, syncs that must lie in between */
const STAGES = [
  ['event to storage', 'told', 'asked', 1],
  ['ciphertext to Core', 'given', 'start', 0],
  ['start to result call', 'started', 'result', 0],
  ['answer to estimate', 'resulted', 'tried', 1],
  ['estimate to transaction', 'estimated', 'sent', 1],
];

async function traces(rig) {
  const { chain, core, bucket } = rig.world;
  const all = await Promise.all([chain.rpc('fake_trace'), core.control({ op: 'trace' }), bucket.control({ op: 'trace' })]);
  const found = new Map(); /* "what key" -> microseconds */
  for (const [at, what, key] of all.flat()) if (!found.has(`${what} ${key}`)) found.set(`${what} ${key}`, at);
  return found;
}

const rpcCalls = (c) => c.listener_rpc_calls + c.executor_rpc_calls + c.submitter_rpc_calls;

/** Stages and calls at a moderate load; the best of some rounds. */
export async function latency(limits, { perSecond = 100, seconds = 8, rounds = 3 } = {}) {
  const count = perSecond * seconds;
  const rig = await startRig({ distinct: count });
  const syncMs = 1000 / limits.syncs_per_s;
  try {
    let best = null;
    let calls = Infinity;
    await traces(rig);
    for (let i = 0; i < rounds; i++) {
      const before = await rig.look.counters();
      const ids = await rig.pace(perSecond, count);
      await rig.drain();
      await rig.settled();
      const seen = await traces(rig);
      calls = Math.min(calls, (rpcCalls(await rig.look.counters()) - rpcCalls(before)) / count);
      const stages = STAGES.map(([name, from, to, syncs]) => {
        const key = (what, id) => (what === 'asked' || what === 'given' ? rig.digestOf(id) : rig.keyOf(id));
        const ms = ids.map((id) => (seen.get(`${to} ${key(to, id)}`) - seen.get(`${from} ${key(from, id)}`)) / 1000 - syncs * syncMs);
        return { name, p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), syncs };
      });
      const worst = (which) => stages.reduce((a, b) => (b[which] > a[which] ? b : a));
      const round = { stages, p50: worst('p50'), p99: worst('p99') };
      if (!best || round.p99.p99 < best.p99.p99) best = round;
    }
    await rig.judge();
    const beside = `each sync besides ${syncMs.toFixed(2)} ms`;
    return {
      stages: best.stages,
      figures: [
        figure('added latency of a stage, p50', best.p50.p50, 'ms', 2, { beside: `${best.p50.name}; ${beside}` }),
        figure('added latency of a stage, p99', best.p99.p99, 'ms', 8, { beside: `${best.p99.name}; ${perSecond}/s` }),
        figure('RPC calls per answer', calls, 'calls', 8, { beside: `at ${perSecond}/s, a block for each` }),
      ],
    };
  } finally {
    await rig.stop();
  }
}
