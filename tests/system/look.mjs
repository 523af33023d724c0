/*
 * look - what an operator sees of a world's connector: lines of its log by code, counters,
 * status, requests.  For tests of faults: each must end in one clear line and a counter.
 */
import assert from 'node:assert/strict';
import { until } from '../peers/process.mjs';

/** One log line as an object: its fields, and `text` as it stands in the log. */
export function parseLine(text) {
  const line = { text };
  for (const [, name, quoted, plain] of text.matchAll(/([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    line[name] = quoted ?? plain;
  }
  return line;
}

/**
 * The operator of a world.  `code` is a code of proto/events.h such as "X006".
 *   mark()                     where the log ends now
 *   lines(code[, where])       lines of a code; where: { from (a mark), id, ... } (fields that must fit)
 *   waitLine(code[, where])    the first such line, as soon as it is there
 *   counters()                 /metrics: name without "kms_connector_" -> number
 *   grown(before, name)        how much a counter has grown since counters() was called
 *   status()                   `status --json`, with `code` and `text` of the plain command
 *   waitStatus(pattern)        status() as soon as its text fits
 *   stage(name)                that stage of status
 *   show(id)                   `show ID --json`: the newest version, or null
 *   waitShow(id, what, fits)   until fits(row) is true; returns the row
 *   list(state)                names of requests in that state
 *   answered(names[, ms]), judged(), counted(mark, { code: lines })   fail unless it is so
 */
export function lookAt(world) {
  const self = {};

  self.mark = () => world.log().length;
  self.lines = (code, { from = 0, ...fields } = {}) => {
    const wanted = Object.entries(fields);
    return world.log().slice(from).split('\n').filter((text) => text.includes(` code=KC-${code} `)).map(parseLine)
      .filter((line) => wanted.every(([k, v]) => (v instanceof RegExp ? v.test(line[k] ?? '') : line[k] === String(v))));
  };
  self.waitLine = (code, where = {}, timeoutMs = 15000) => {
    return until(`line ${code} ${JSON.stringify(where)}`, () => self.lines(code, where)[0], timeoutMs);
  };

  self.counters = async () => {
    const text = await (await fetch(`${world.monitorUrl}/metrics`)).text();
    return Object.fromEntries([...text.matchAll(/^kms_connector_(\w+?)(?:_total)?(?:\{[^}]*\})? (\d+)$/gm)]
      .map(([, name, value]) => [name, Number(value)]));
  };
  self.grown = async (before, name) => {
    const now = await self.counters();
    if (!(name in now)) throw new Error(`no counter ${name}`);
    return now[name] - (before[name] ?? 0);
  };
  self.waitCounter = (name, fits, timeoutMs = 15000) => {
    return until(`counter ${name}`, async () => fits((await self.counters())[name]), timeoutMs, 50);
  };

  const json = async (...words) => {
    const { code, output } = await world.cli(...words, '--json');
    return { code, ...JSON.parse(output) };
  };
  self.status = async () => {
    const { code, output } = await world.cli('status');
    return { ...await json('status'), code, text: output };
  };
  /** Until the plain command prints what `pattern` says; returns status(). */
  self.waitStatus = (pattern, timeoutMs = 15000) => until(`status ${pattern}`, async () => {
    const status = await self.status();
    if (!pattern.test(status.text)) throw new Error(status.text.split('\n\n')[0]);
    return status;
  }, timeoutMs, 100);
  self.stage = async (name) => (await json('status')).stages.find((s) => s.name === name);
  self.waitStage = (name, state, timeoutMs = 15000) => {
    return until(`stage ${name} ${state}`, async () => {
      const stage = await self.stage(name);
      return stage.state === state && stage;
    }, timeoutMs, 100);
  };
  self.show = async (id) => (await json('show', id)).requests[0] ?? null;
  self.waitShow = (id, what, fits, timeoutMs = 15000) => {
    return until(`${id} ${what}`, async () => {
      const row = await self.show(id);
      return row && fits(row) && row;
    }, timeoutMs, 50);
  };
  self.waitState = (id, state, timeoutMs) => self.waitShow(id, state, (row) => row.state === state, timeoutMs);
  self.list = async (state) => {
    const { requests } = await json('list', '--limit', '1000', ...(state ? ['--state', state] : []));
    return requests.map((r) => r.id);
  };

  /** Fails unless all of these are answered in time. */
  self.answered = async (names, timeoutMs = 15000) => {
    assert.deepEqual((await world.waitAnswered(timeoutMs, { names })).missing, []);
  };
  /** Fails if the judge finds a problem. */
  self.judged = async (options) => assert.deepEqual((await world.judge(options)).problems, []);
  /** Exactly these many lines of each code since a mark. */
  self.counted = (from, wanted) => {
    for (const [code, count] of Object.entries(wanted)) {
      const got = self.lines(code, { from });
      assert.equal(got.length, count, `${code}: ${got.map((l) => l.text).join('\n')}`);
    }
  };

  /** Until nothing is paused and every process can do its work. */
  self.waitFine = (timeoutMs) => self.waitStatus(/^needs you: nothing\n\n/, timeoutMs);

  return self;
}

export { until };
