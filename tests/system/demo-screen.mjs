/*
 * demo-screen - what the demo prints: lines that stay, and below them, on a terminal, a part that
 * is drawn again in place.  Into a file or a pipe only lines go.
 */
import { fheTypes } from '../peers/plaintext.mjs';

const colours = { good: 32, bad: 31, warn: 33, dim: 2, bold: 1 };
const widths = { id: 13, type: 22, state: 10, ms: 6, tx: 13 };

/* The order of states, to know which figures of a request are final. */
const order = ['asked', 'seen', 'waiting', 'checking', 'computing', 'answered', 'submitting', 'done'];
const stateColour = { done: 'good', refused: 'bad', held: 'bad', expired: 'bad', retracted: 'bad' };

/** Key operations: name in requests.mjs -> prefix of ids, what is made. */
export const keyOps = {
  crsgen: ['crsgen', 'common ref. string'], preprocessKeygen: ['prekeygen', 'material for a key'],
  keygen: ['keygen', 'FHE key'], preprocessKsk: ['preksk', 'material for a KSK'], ksk: ['ksk', 'key-switching key'],
};

/** The id of a request as the connector shows it. */
export function shownId(name, { kind, id }) {
  const [prefix] = keyOps[kind] ?? [];
  return prefix ? `${prefix}-${id < 2n ** 64n ? id : `0x${id.toString(16)}`}` : name;
}

/** "ebool", "euint64+euint256"; of a key operation what it makes. */
export function typeText({ types, makes }) {
  return makes ?? types.map((t) => fheTypes[t].name).join('+');
}

const shortId = (id) => (id.length > widths.id ? `${id.slice(0, widths.id - 4)}..${id.slice(-2)}` : id);

export const shortHash = (hash) => (hash ? `${hash.slice(0, 7)}..${hash.slice(-4)}` : '');
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** A request { name, types or makes, row }, where `row` is what the monitor says of it, as cells. */
export function rowCells({ name, row, ...what }) {
  const state = row?.state ?? 'asked';
  const reached = order.indexOf(state);
  const ms = (value, after) => (row && reached >= order.indexOf(after) ? String(value) : '-');
  return [
    shortId(name).padEnd(widths.id), typeText(what).padEnd(widths.type), state.padEnd(widths.state),
    ms(row?.fetch_ms, 'computing').padStart(widths.ms), ms(row?.core_ms, 'answered').padStart(widths.ms),
    ms(row?.send_ms, 'done').padStart(widths.ms), ` ${shortHash(row?.tx)}`,
  ];
}

export const tableHead = ['request'.padEnd(widths.id), 'FHE types, or made'.padEnd(widths.type), 'state'.padEnd(widths.state),
  'fetch'.padStart(widths.ms), 'core'.padStart(widths.ms), 'send'.padStart(widths.ms), ' transaction'].join(' ');
const stateAt = widths.id + 1 + widths.type + 1;

/**
 * The screen: live (draws in place), say(line...) for lines that stay, draw(lines) for the part
 * that changes, end() which takes that part away, close(line...) for good, paint(colour, text).
 */
export function makeScreen(out = process.stdout) {
  const live = Boolean(out.isTTY) && process.env.TERM !== 'dumb';
  const colour = live && !process.env.NO_COLOR;
  let drawn = []; /* lines of the part that changes, as they stand there now */

  const paint = (name, text) => (colour ? `\x1b[${colours[name]}m${text}\x1b[0m` : text);
  const back = () => (drawn.length ? `\x1b[${drawn.length}A\r\x1b[J` : '');
  const write = (above, below) => {
    const text = `${live ? back() : ''}${above.map((l) => `${l}\n`).join('')}${below.map((l) => `${l}\n`).join('')}`;
    drawn = below;
    if (text) out.write(text);
  };

  const self = { live, paint };
  self.say = (...lines) => write(lines, drawn);
  self.draw = (lines) => live && write([], lines);
  self.end = () => write([], []);
  /** These are the last lines; nothing is printed after them. */
  self.close = (...lines) => {
    write(lines, []);
    self.say = self.draw = () => {};
  };
  /** How many lines a part that changes may have, and how wide they may be. */
  self.room = () => ({ rows: Math.max(8, (out.rows || 24) - 1), columns: Math.max(40, (out.columns || 80) - 1) });

  /** One request as a line of the table, of at most `columns`. */
  self.tableLine = (request, columns) => {
    const line = rowCells(request).join(' ').slice(0, columns).trimEnd();
    const state = line.slice(stateAt, stateAt + widths.state);
    const how = stateColour[state.trim()] ?? (state.trim() === 'asked' ? 'dim' : 'warn');
    return line.slice(0, stateAt) + paint(how, state) + line.slice(stateAt + widths.state);
  };
  return self;
}

/**
 * A list of [what, value, should be, is it so] in columns; `is it so` is absent where a value is
 * only told.
 */
export function ledgerLines(rows, paint) {
  const values = rows.map(([, value]) => (typeof value === 'number' ? value.toLocaleString('en-US') : String(value)));
  const wide = Math.max(...values.map((v) => v.length));
  return rows.map(([what, , should, right], i) => {
    const verdict = right === undefined ? '     ' : right ? paint('good', 'right') : paint('bad', 'WRONG');
    return `  ${what.padEnd(34)} ${values[i].padStart(wide)}   ${verdict}   ${should}`.trimEnd();
  });
}

/** What `verify --last 100` makes of a node's chain, as a row of the ledger. */
export async function verifyRow(node, requests) {
  const decryptions = [...requests.values()].filter((r) => ['public', 'user'].includes(r.kind)).length;
  const { code, output } = await node.cli('verify', '--last', '100');
  const sum = output.trimEnd().split('\n').at(-1);
  const right = /: (\d+) right, 0 wrong, 0 cannot be checked$/.exec(sum)?.[1];
  return ['right by `verify --last 100`', right ?? sum, `${decryptions}: each decryption, judged anew`,
    code === 0 && Number(right) === decryptions];
}
