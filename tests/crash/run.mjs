/*
 * run - all points of one role and one mode: from the first call on, until a run of the scenario
 * has fewer calls.
 *
 * How many calls there are depends a little on time.  So a run without a crash counts them
 * first; a call below that number which does not come is tried again; and behind that number it
 * goes on for as long as calls come.
 */
import fs from 'node:fs';
import path from 'node:path';

const AGAIN = 8; /* tries for a call that did not come */
const RENEW = 25; /* points until a node that goes on is replaced by a new one */

/* Modes whose points go on with what the last point left: store, journal, nonces. */
const goesOn = (mode) => mode === 'after' || mode === 'emfile';

/**
 * Shares points among grounds.  Options: from, to, onPoint(point), failed (a directory for what
 * points that failed leave).  Gives { role, mode, counted, tried, violations, seconds, slowestMs }.
 */
export async function runAll(grounds, role, mode, { from = 1, to = Infinity, onPoint = () => {}, failed } = {}) {
  const began = Date.now();
  const result = { role, mode, counted: 0, tried: 0, missed: [], violations: [], slowestMs: 0 };
  let next = from;
  let over = false;

  const note = (point, ground) => {
    onPoint(point);
    if (point.fired) {
      result.tried++;
      result.counted = Math.max(result.counted, point.at);
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
  const runOne = async (ground, at) => {
    if (!goesOn(mode)) return { at, ...await ground.point({ role, mode, at }) };
    ground.lived = ground.lived === mode ? ground.lived : null;
    if (!ground.lived || ground.runs >= RENEW) {
      note({ at: 0, ...await ground.point({ role, mode, at: 0 }) });
      ground.lived = mode;
      ground.runs = 0;
    }
    ground.runs++;
    const point = { at, ...await ground.point({ role, mode, at, fresh: false }) };
    if (point.problems.length) ground.lived = null;
    return point;
  };

  const first = await runOne(grounds[0], 0);
  note(first);
  result.counted = Math.min(first.count, to);

  const take = () => (over || next > to ? 0 : next++);
  await Promise.all(grounds.map(async (ground) => {
    for (let at; (at = take());) {
      let point;
      for (let i = 0; i < AGAIN; i++) {
        point = await runOne(ground, at);
        if (point.fired || point.problems.length || at > first.count) break;
      }
      note(point);
      if (point.fired) continue;
      if (at > first.count) over = true;
      else if (!point.problems.length) result.missed.push(at);
    }
  }));
  result.seconds = Math.round((Date.now() - began) / 1000);
  return result;
}
