/*
 * run - all points of one role and one mode: from the first call on, until the scenario has no
 * more calls.
 *
 * How many it has depends a little on time.  So it is over only when several in a row did not
 * come, and one below the highest that came is tried again and again.
 */
import fs from 'node:fs';
import path from 'node:path';

const FIRST_TRIES = 2; /* of a call that does not come */
const LAST_IN_A_ROW = 4; /* that do not come */
const MORE_TRIES = 20; /* of those that are left */
/* Points until a node that goes on is replaced by a new one: what crashes leave in a store is calls for the next. */
const renewAfter = (role) => (role === 'executor' ? 1 : 25);

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
  const runOne = async (ground, at) => {
    if (!goesOn(mode)) return { at, ...await ground.point({ role, mode, at }) };
    ground.lived = ground.lived === mode ? ground.lived : null;
    if (!ground.lived || ground.runs >= renewAfter(role)) {
      note({ at: 0, ...await ground.point({ role, mode, at: 0 }) });
      ground.lived = mode;
      ground.runs = 0;
    }
    ground.runs++;
    const point = { at, ...await ground.point({ role, mode, at, fresh: false }) };
    if (point.problems.length) ground.lived = null;
    return point;
  };

  /* Until it has come, or has not come so often. */
  const insist = async (ground, at, tries) => {
    for (let i = 0; i < tries; i++) {
      const point = await runOne(ground, at);
      note(point);
      if (point.fired || point.problems.length) return true;
    }
    return false;
  };
  const share = (take, work) => Promise.all(grounds.map(async (ground) => {
    for (let at; (at = take());) await work(ground, at);
  }));

  const open = []; /* those that did not come */
  await share(() => (over || next > to ? 0 : next++), async (ground, at) => {
    if (await insist(ground, at, FIRST_TRIES)) return;
    open.push(at);
    over = open.filter((one) => one > result.counted).length >= LAST_IN_A_ROW;
  });
  const left = open.filter((at) => at < result.counted).sort((a, b) => a - b);
  await share(() => left.shift(), async (ground, at) => {
    if (!await insist(ground, at, MORE_TRIES)) result.missed.push(at);
  });
  result.seconds = Math.round((Date.now() - began) / 1000);
  return result;
}
