/*
 * run - all points of one role and one mode: from the first call on, until the scenario has no
 * more calls.
 *
 * How many it has depends a little on time: on how much is said at once.  So they are counted in
 * each run in which nothing happens, the highest count is the one that counts, and a call that
 * does not come is met in a scenario that is longer.
 */
import fs from 'node:fs';
import path from 'node:path';

const LONG_TRIES = 3; /* of a call that does not come */
/* Points until a node that goes on is replaced by a new one: what crashes leave in a store is calls for the next. */
const renewAfter = (role) => (role === 'executor' ? 1 : 25);

/*
 * Modes whose points go on with what the last point left: store, journal, nonces.  Not the many of
 * the executor: each would need a run before it, and a second life makes a quarter more of them.
 */
const goesOn = (role, mode) => mode === 'emfile' || (mode === 'after' && role !== 'executor');

/** What there is to say of what runAll() gave; no lines: nothing. */
export function tellTroubles({ role, mode, missed, violations }) {
  const lines = missed.length ? [`never came again: ${missed.join(', ')}`] : [];
  for (const { at, where, problems, left } of violations) {
    lines.push(`call ${at} (${where || 'nothing happened'}): ${problems.join('; ')}`);
    lines.push(`  make crash ROLE=${role} MODE=${mode} FROM=${at} TO=${at}    its files: ${left}`);
  }
  return lines;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/**
 * Shares points among grounds.  Options: from, to, or a list of points; onPoint(point), failed (a
 * directory for what points that failed leave).  Gives { role, mode, counted, tried, missed,
 * violations, seconds, slowestMs }; `counted` is how many calls there are, or how many were asked
 * for, `missed` those that never came.
 */
export async function runAll(grounds, role, mode, { from = 1, to = Infinity, points, onPoint = () => {}, failed } = {}) {
  const began = Date.now();
  const given = points ? [...points] : to < Infinity ? range(from, to) : null;
  const result = { role, mode, counted: given?.length ?? 0, tried: 0, missed: [], violations: [], slowestMs: 0 };
  const open = []; /* those that did not come */
  let next = from;

  const note = (point, longer = false) => {
    const counts = !point.fired && !point.problems.length && !longer && !given;

    onPoint(point);
    if (counts) result.counted = Math.max(result.counted, point.count);
    if (point.fired) {
      result.tried++;
      result.slowestMs = Math.max(result.slowestMs, point.drainMs);
    }
    if (!point.problems.length) return;
    result.violations.push(point);
    if (!failed) return;
    point.left = path.join(failed, `${role}-${mode}-${point.at}`);
    fs.rmSync(point.left, { recursive: true, force: true });
    fs.cpSync(point.home, point.left, { recursive: true, filter: (file) => !fs.statSync(file).isSocket() });
  };

  /* One point; when its ground goes on with a node, that node has lived before. */
  const runOne = async (ground, at, longer) => {
    if (!goesOn(role, mode)) return { at, ...await ground.point({ role, mode, at, longer }) };
    ground.lived = ground.lived === mode ? ground.lived : null;
    if (!ground.lived || ground.runs >= renewAfter(role)) {
      note({ at: 0, ...await ground.point({ role, mode, at: 0 }) });
      ground.lived = mode;
      ground.runs = 0;
    }
    ground.runs++;
    const point = { at, ...await ground.point({ role, mode, at, longer, fresh: false }) };
    if (point.problems.length) ground.lived = null;
    return point;
  };

  /* Whether it came, or something was wrong. */
  const meet = async (ground, at, longer) => {
    const point = await runOne(ground, at, longer);
    note(point, longer);
    return point.fired || point.problems.length > 0;
  };
  const insist = async (ground, at) => {
    for (let i = 0; i < LONG_TRIES; i++) if (await meet(ground, at, true)) return true;
    return false;
  };
  const share = (take, work) => Promise.all(grounds.map(async (ground) => {
    for (let at; (at = take());) await work(ground, at);
  }));

  if (!given) await meet(grounds[0], 0);
  do { /* a run may show more calls than all before it */
    await share(() => (given ? given.shift() : next <= result.counted && next++), async (ground, at) => {
      if (!await meet(ground, at)) open.push(at);
    });
    await share(() => open.shift(), async (ground, at) => {
      if (!await insist(ground, at)) result.missed.push(at);
    });
  } while (!given && next <= result.counted);
  result.seconds = Math.round((Date.now() - began) / 1000);
  return result;
}
