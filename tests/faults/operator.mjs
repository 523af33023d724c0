/*
 * operator - what an operator does wrong.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Wallet } from 'ethers';
import { until } from '../peers/process.mjs';

/*
 * The key of another account, which the chain does not list, with money or without: said by check
 * and by status with the account's address, nothing is ever sent; the right key and a reload, and
 * all goes on.
 */
export async function O03(t) {
  const g = await t.ground();
  const { keyFile } = g.world;
  const right = fs.readFileSync(keyFile);
  const use = (key) => fs.writeFileSync(keyFile, key, { mode: 0o600 });
  let first = true;
  for (let k = 0; k < t.times; k++) {
    const wrong = Wallet.createRandom();
    if (k % 2) await g.chain.fund(wrong.address, 10);
    use(`${wrong.privateKey.slice(2)}\n`);
    const mark = g.look.mark();
    const check = await g.world.cli('check', '--online');
    assert.equal(check.code, 69, check.output);
    assert.match(check.output, new RegExp(`FAIL .*${wrong.address}`));
    if (first) await g.world.startConnector();
    else assert.equal((await g.world.cli('reload')).code, 0);
    first = false;
    await g.look.waitLine('X017', { from: mark });
    await g.look.waitStatus(new RegExp(`^needs you: .*register its account ${wrong.address}`, 's'));
    const names = await g.ask(3);
    await g.look.waitState(names[0], 'submitting');
    assert.deepEqual((await g.world.waitAnswered(0, { names })).missing, names);
    await g.heals(names, () => {
      use(right);
      g.world.signal('kms-connector', 'SIGHUP');
    });
    assert.equal(Number(await g.chain.rpc('eth_getTransactionCount', wrong.address, 'latest')), 0);
    assert.equal((await g.chain.ledger()).rows.filter((row) => row.from === wrong.address.toLowerCase()).length, 0, 'nothing was sent');
    g.look.counted(mark, { X017: 1 });
    await g.look.waitFine();
  }
  await g.finish();
}

/* Files that the connector makes: of its own data, and what stands in runtime_dir. */
const OURS = /^(lock|signer|signer\/journal|store|store\/requests\.db(-wal|-shm)?|key)$/;

/*
 * Hundreds of requests in a second, and all that can be said of them: at most 50 lines in a second
 * of each process below a warning, how many were left out is said, and no file is written but the
 * store and the journal.
 */
export async function O09(t) {
  const g = await t.ground();
  await g.start();
  const files = () => fs.readdirSync(g.world.config.data_dir, { recursive: true }).map(String);
  for (let k = 0; k < t.times; k++) {
    await g.answered(await g.ask(400, { perTx: 100, distinct: 4 }));
    /* with the first line for which there is room again */
    await until('what was left out is said', async () => {
      await g.answered(await g.ask(1));
      return / dropped=[1-9]/.test(g.world.log());
    }, 5000, 200);
  }
  const seconds = new Map();
  for (const [, second, level, proc] of g.world.log().matchAll(/^ts=(\S+)\.\d+Z level=(\w+) proc=(\w+)/gm)) {
    const key = `${second} ${proc} ${/warn|error/.test(level)}`;
    seconds.set(key, (seconds.get(key) ?? 0) + 1);
  }
  const most = Math.max(...seconds.values());
  assert.ok(most <= 50, `${most} lines in a second: ${[...seconds].find(([, n]) => n === most)}`);
  for (const file of files()) assert.match(path.normalize(file), OURS, 'a file of ours');
  await g.finish();
}
