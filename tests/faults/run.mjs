/*
 * run - one row of the table: its case, judged; what became of it.
 */
import { seeded } from '../system/random.mjs';
import { startGround } from './ground.mjs';

const BUSY = 4; /* tests must hold on a machine that has other work */

/**
 * Runs a row: { number, fault, ok, why, times, recoveredMs, seconds }.  `short`: as often as the
 * row says for that.  A case gets { times, random, ground(options) } and ends each of its grounds by
 * finish(); grounds are stopped here.  The seed of random stands in `why` when it fails.
 */
export async function runRow({ number, fault, seconds, times, run }, { short = false } = {}) {
  const began = Date.now();
  const grounds = [];
  let over = false;
  const turn = { times: short ? times.short : times.whole, random: seeded() };
  turn.ground = async (options) => {
    if (over) throw new Error('its time is over');
    const ground = await startGround({ slack: short ? BUSY : 1, ...options });
    grounds.push(ground);
    if (over) await ground.stop();
    return ground;
  };
  const result = { number, fault, times: turn.times, ok: true, why: '' };
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over in time (${seconds} s)`)), 1000 * seconds * (short ? BUSY : 1));
  });
  try {
    await Promise.race([run(turn), late]);
  } catch (e) {
    result.ok = false;
    result.why = `${e.message}\nSEED=${turn.random.seed}`;
    result.log = grounds.map((g) => g.world.log()).join('\n');
  }
  clearTimeout(timer);
  over = true;
  for (const ground of grounds) {
    await ground.stop().catch((e) => {
      result.ok = false;
      result.why ||= e.message;
    });
  }
  result.recoveredMs = Math.max(0, ...grounds.map((g) => g.recoveredMs));
  result.seconds = (Date.now() - began) / 1000;
  return result;
}
