/*
 * random - numbers that can be had again: the seed is SEED of the environment or a new one, and
 * who uses it prints it.
 */
import { randomInt } from 'node:crypto';

/** { seed, below(n), between(low, high), pick(list), shuffle(list) }; all of them seeded. */
export function seeded(seed = Number(process.env.SEED) || randomInt(1, 2 ** 31)) {
  let state = seed >>> 0;
  /* mulberry32 */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  const shuffle = (list) => {
    const all = [...list];
    for (let i = all.length - 1; i > 0; i--) {
      const k = below(i + 1);
      [all[i], all[k]] = [all[k], all[i]];
    }
    return all;
  };
  return {
    seed,
    below,
    between: (low, high) => low + below(high - low + 1),
    pick: (list) => list[below(list.length)],
    shuffle,
  };
}
