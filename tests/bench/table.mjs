/*
 * table - figures beside their limits: for people, and as JSON.
 */

const shown = (v, unit) => `${v >= 100 ? Math.round(v) : v >= 10 ? v.toFixed(1) : v.toFixed(2)} ${unit}`;

/**
 * One figure: name, measured, unit, limit of the design; `atLeast`: more is better; `beside`: what
 * the machine itself can do, or whatever explains the figure.
 */
export function figure(name, measured, unit, limit, { atLeast = false, beside = '' } = {}) {
  const ratio = atLeast ? limit / measured : measured / limit;
  return { name, measured: Number(measured.toFixed(3)), unit, limit, atLeast, ratio: Number(ratio.toFixed(2)), ok: ratio <= 1, beside };
}

/** Rows of texts in columns that fit. */
export function columns(rows) {
  const wide = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(wide[i])).join('  ').trimEnd()).join('\n');
}

export function print(figures) {
  const rows = figures.map((f) => [
    f.name, shown(f.measured, f.unit), `${f.atLeast ? '>=' : '<='} ${shown(f.limit, f.unit)}`, f.ratio.toFixed(2),
    f.ok ? 'ok' : 'MISSED', f.beside,
  ]);
  return columns([['figure', 'measured', 'limit', 'ratio', '', 'beside it'], ...rows]);
}

/** The value below which this share of a sorted copy lies. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN;
}
