/*
 * fixtures - what a release leaves on the disk: store, journal, and what its own commands said of
 * the requests.  They are of a chain of their own, so that a connector of today has its requests
 * beside them.
 *
 *   node tests/faults/fixtures.mjs     writes fixtures/<schema of the store>, once for each release
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { startGround } from './ground.mjs';

const home = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
const FILES = { store: 'store/requests.db', journal: 'signer/journal' };
const CHAIN = 421613;
const KEPT = ['state', 'kind', 'block', 'tx', 'nonce', 'reason', 'seen_ms'];

/** Names of what is kept, one for each release. */
export const fixtures = () => fs.readdirSync(home).sort();

/** Puts one where a connector will look; gives { rows, schema, at_ms } as that release said them. */
export function putFixture(name, dataDir) {
  for (const [file, to] of Object.entries(FILES)) {
    fs.mkdirSync(path.dirname(path.join(dataDir, to)), { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(dataDir, to), gunzipSync(fs.readFileSync(path.join(home, name, `${file}.gz`))), { mode: 0o600 });
  }
  return JSON.parse(fs.readFileSync(path.join(home, name, 'said.json'), 'utf8'));
}

/* Three answered, one refused by the Core. */
async function make() {
  const g = await startGround({ chain: { chainId: CHAIN } });
  try {
    await g.start();
    const done = await g.ask(3);
    await g.answered(done);
    await g.core.control({ op: 'fail', call: 'start', code: 'INVALID_ARGUMENT', count: 100 });
    const [refused] = await g.ask(1);
    await g.look.waitState(refused, 'refused');
    for (const name of done) await g.look.waitState(name, 'done');
    const rows = {};
    for (const id of [...done, refused]) {
      const row = await g.look.show(id);
      rows[id] = Object.fromEntries(KEPT.filter((key) => key in row).map((key) => [key, row[key]]));
    }
    assert.equal((await g.world.stopConnector()).code, 0);
    const schema = fs.readFileSync(path.join(g.world.config.data_dir, FILES.store)).readUInt32BE(60);
    const to = path.join(home, `schema-${schema}`);
    fs.mkdirSync(to, { recursive: true });
    for (const [file, from] of Object.entries(FILES)) {
      fs.writeFileSync(path.join(to, `${file}.gz`), gzipSync(fs.readFileSync(path.join(g.world.config.data_dir, from)), { level: 9 }));
    }
    fs.writeFileSync(path.join(to, 'said.json'), `${JSON.stringify({ schema, at_ms: Date.now(), rows }, null, 2)}\n`);
  } finally {
    await g.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await make();
