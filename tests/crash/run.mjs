/*
 * run - all points of one role and one mode: from the first call on, until the scenario has no
 * more calls.
 *
 * How many it has depends a little on time: on how much is said at once.  So it is over only when
 * several in a row did not come, and one below the highest that came is met in a scenario that
 * is longer.
 */
import fs from 'node:fs';
import path from 'node:path';

const FIRST_TRIES = 2; /* of a call that does not come */
const LAST_IN_A_ROW = 4; /* that do not come */
const LONG_TRIES = 3; /* of those that are left */
/* Points until a node that goes on is replaced by a new one: what crashes leave in a store is calls for the next. */
const renewAfter = (role) => (role === 'executor' ? 1 : 25);

/* Modes whose points go on with what the last point left: store, journal, nonces. */
const goesOn = (mode) => mode === 'after' || mode === 'emfile';

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
 * directory for what points that failed leave).  Gives { role, mode, counted, tried, missed, violations, seconds,
 * slowestMs }; `counted` is the highest call that came, `missed` those below that never did.
 */
export async function runAll(grounds, role, mode, { from = 1, to = Infinity, points, onPoint = () => {}, failed } = {}) {
  const began = Date.now();
  const result = { role, mode, counted: 0, tried: 0, missed: [], violations: [], slowestMs: 0 };
  const given = points ? [...points] : to < Infinity ? range(from, to) : null;
  const open = []; /* those that did not come */
  const isOver = () => open.filter((at) => at > result.counted).length >= LAST_IN_A_ROW;
  let next = from;

  const note = (point) => {
    onPoint(point);
    if (point.fired) {
      result.tried++;
      result.counted = Math.max(result.counted, point.at); /* that many were made: it is one of them */
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
    if (!goesOn(mode)) return { at, ...await ground.point({ role, mode, at, longer }) };
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

  /* Until it has come, or has not come so often. */
  const insist = async (ground, at, tries, longer) => {
    for (let i = 0; i < tries; i++) {
      const point = await runOne(ground, at, longer);
      note(point);
      if (point.fired || point.problems.length) return true;
    }
    return false;
  };
  const share = (take, work) => Promise.all(grounds.map(async (ground) => {
    for (let at; (at = take());) await work(ground, at);
  }));

  await share(given ? () => given.shift() : () => (isOver() ? 0 : next++), async (ground, at) => {
    if (!await insist(ground, at, FIRST_TRIES)) open.push(at);
  });
  const left = open.filter((at) => given || at < result.counted).sort((a, b) => a - b);
  await share(() => left.shift(), async (ground, at) => {
    if (!await insist(ground, at, LONG_TRIES, true)) result.missed.push(at);
  });
  result.seconds = Math.round((Date.now() - began) / 1000);
  return result;
}
