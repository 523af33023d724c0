/*
 * rest - figures without load: at rest, at the start, after a kill, commands.
 */
import { sleep, until } from '../peers/process.mjs';
import { PROCESSES, spent, startRig } from './rig.mjs';
import { figure } from './table.mjs';

const BLOCKS_PER_S = 4; /* as an Arbitrum chain at its busiest */

const isReady = (world) => fetch(`${world.monitorUrl}/readyz`).then((r) => r.status === 200, () => false);
const rpcCalls = (c) => c.listener_rpc_calls + c.executor_rpc_calls + c.submitter_rpc_calls;

/** Nothing is asked; blocks come. */
export async function idle({ seconds = 20 } = {}) {
  const rig = await startRig();
  const { world } = rig;
  try {
    let over = false;
    const blocks = (async () => {
      while (!over) {
        await world.chain.mine(1);
        await sleep(1000 / BLOCKS_PER_S);
      }
    })();
    await sleep(2000);
    const [before, calls, began] = [rig.usage(), rpcCalls(await rig.look.counters()), Date.now()];
    await sleep(seconds * 1000);
    const took = Date.now() - began;
    const { by, sum } = spent(before, rig.usage());
    const asked = rpcCalls(await rig.look.counters()) - calls;
    over = true;
    await blocks;
    const most = Object.entries(by).sort((a, b) => b[1] - a[1])[0];
    return {
      figures: [
        figure('idle: memory of all processes', rig.pssKib() / 1024, 'MiB', 48, { beside: 'sum of PSS' }),
        figure('idle: share of a core', sum / took / 10, '%', 0.5, { beside: `most by ${most[0]}; ${BLOCKS_PER_S} blocks per second` }),
        figure('idle: RPC calls per hour', (asked * 3600000) / took, 'calls', 20000, { beside: `${((BLOCKS_PER_S * 3600)).toFixed(0)} blocks per hour` }),
      ],
    };
  } finally {
    await rig.stop();
  }
}

const msOf = async (work) => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

async function bestOf(rounds, work) {
  let best = Infinity;
  for (let i = 0; i < rounds; i++) best = Math.min(best, await work());
  return best;
}

/** From the program's start until it says that it can do its work. */
function readyAfter(world) {
  return msOf(async () => {
    await world.startConnector();
    await until('it is ready', () => isReady(world), 10000, 2);
  });
}

/** From the kill of a process until a request asked in that instant is answered. */
async function backAfter(rig, name) {
  const pid = rig.world.signal(name);
  return msOf(async () => {
    await rig.begin(1);
    await rig.drain(20000);
    await until('it is there', () => (rig.world.processOf(name)?.pid ?? pid) !== pid, 5000, 5);
  });
}

export async function starts({ rounds = 5 } = {}) {
  const rig = await startRig();
  const { world } = rig;
  try {
    const ready = await bestOf(rounds, async () => {
      await world.stopConnector();
      return readyAfter(world);
    });
    await rig.look.waitFine();
    const back = [];
    for (const name of PROCESSES.slice(1)) {
      back.push([name, await bestOf(3, async () => {
        await until('it is ready', () => isReady(world), 10000, 20);
        await sleep(6000); /* a process that dies at once after its start is held back */
        return backAfter(rig, name);
      })]);
    }
    back.sort((a, b) => b[1] - a[1]);
    await rig.judge();
    return {
      back,
      figures: [
        figure('ready after start', ready, 'ms', 150),
        figure('a killed process works again', back[0][1], 'ms', 1000, { beside: `${back[0][0]}; asked in that instant, answered` }),
        figure('check', await bestOf(rounds, () => msOf(() => world.cli('check'))), 'ms', 50),
        figure('status', await bestOf(rounds, () => msOf(() => world.cli('status'))), 'ms', 20),
      ],
    };
  } finally {
    await rig.stop();
  }
}
