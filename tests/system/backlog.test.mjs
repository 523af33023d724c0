/*
 * What was asked while nobody listened: nothing is missed, and after the loss of the store the
 * Core is asked only for what is still open.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

const keep = Boolean(process.env.KEEP);

describe('nobody listens while 50 requests are made', () => {
  let world;

  before(async () => {
    world = await startWorld({ keep });
    await world.startConnector();
    await lookAt(world).waitFine();
  });
  after(async () => {
    await world?.stop();
  });

  async function judgeAll(t, began) {
    const { missing } = await world.waitAnswered(30000);
    t.diagnostic(`all answered ${Date.now() - began} ms later`);
    assert.deepEqual(missing, []);
    const verdict = await world.judge();
    assert.deepEqual(verdict.problems, []);
    assert.equal(verdict.transactions, world.requests.size);
  }

  async function askUnheard() {
    const before = (await world.responseEvents()).size;
    await world.ask(50, { types: [0, 5, 8], distinct: 8 });
    assert.equal((await world.responseEvents()).size, before, 'none is answered');
  }

  test('the listener is stopped and goes on', { timeout: 60000 }, async (t) => {
    const pid = world.signal('kms-listener', 'SIGSTOP');
    await askUnheard();
    process.kill(pid, 'SIGCONT');
    await judgeAll(t, Date.now());
    assert.equal(world.processOf('kms-listener').pid, pid, 'it is the same process');
  });

  test('the listener hangs, until it is replaced', { timeout: 60000 }, async (t) => {
    const pid = world.signal('kms-listener', 'SIGSTOP');
    await askUnheard();
    await judgeAll(t, Date.now());
    assert.notEqual(world.processOf('kms-listener').pid, pid);
  });

  test('the whole connector is stopped and started', { timeout: 60000 }, async (t) => {
    assert.deepEqual((await world.stopConnector()).orphans, []);
    await askUnheard();
    const began = Date.now();
    await world.startConnector();
    await judgeAll(t, began);
  });

  test('the chain cannot be reached', { timeout: 60000 }, async (t) => {
    await world.proxy.refuse();
    await askUnheard();
    await world.proxy.forward();
    await judgeAll(t, Date.now());
  });
});

describe('an empty store and 1,000 old requests of which 990 are done', () => {
  const REQUESTS = 1000;
  const OPEN = 10;
  const RSS_MAX_KIB = process.env.KMS_SANITIZERS ? Infinity : 64 * 1024;
  let world;

  before(async () => {
    /* Blocks are an hour old by our clock, and those of the requests are finalized. */
    world = await startWorld({
      keep, nodes: 1, chain: { timestamp: Math.floor(Date.now() / 1000) - 3600, slots: 8 },
    });
  });
  after(async () => {
    await world?.stop();
  });

  /* The other node answers many requests: one transaction each, all signed beforehand. */
  async function answerAsOther(names) {
    const { wallet, signer } = world.nodes[0];
    const domain = decryptionDomain(world.chain.chainId, world.manager.target);
    await world.chain.fund(wallet.address, 10);
    let nonce = 0;
    for (let at = 0; at < names.length; at += 100) {
      const raws = await Promise.all(names.slice(at, at + 100).map(async (name) => {
        const { id, handles, expected } = world.requests.get(name);
        const signature = await signer.signTypedData(domain, typesOf('PublicDecryptVerification'),
          { ctHandles: handles, decryptedResult: expected, extraData: '0x' });
        return wallet.signTransaction({
          type: 2, chainId: world.chain.chainId, nonce: nonce++, to: world.manager.target, gasLimit: 600_000,
          maxFeePerGas: 10_000_000_000n, maxPriorityFeePerGas: 0n,
          data: world.manager.interface.encodeFunctionData('publicDecryptionResponse', [id, expected, signature]),
        });
      }));
      await world.chain.batch(raws.map((raw) => ['eth_sendRawTransaction', [raw]]));
    }
    await until('they are done', async () => (await world.responseEvents()).size === names.length, 60000, 200);
  }

  test('the Core is asked 10 times; memory stays small', { timeout: 180000 }, async (t) => {
    /* Some blocks have one request, some many: more events than the listener may say at once. */
    await world.ask(700, { perTx: 50, distinct: 20 });
    const names = [...world.requests.keys()];
    names.push(...await world.ask(REQUESTS - names.length, { distinct: 20 }));
    const open = new Set(names.filter((_, i) => i % (REQUESTS / OPEN) === 37));
    assert.equal(open.size, OPEN);
    await answerAsOther(names.filter((name) => !open.has(name)));
    await world.chain.mine(32);

    let peakKiB = 0;
    const began = Date.now();
    await world.startConnector();
    const watch = setInterval(() => {
      const executor = world.processOf('kms-executor');
      if (!executor) return;
      const status = fs.readFileSync(`/proc/${executor.pid}/status`, 'latin1');
      peakKiB = Math.max(peakKiB, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0));
    }, 50);
    t.after(() => clearInterval(watch));
    const { missing } = await world.waitAnswered(60000);
    t.diagnostic(`the open ones are answered ${Date.now() - began} ms after the start`);
    assert.deepEqual(missing, []);

    const look = lookAt(world);
    await until('our books say so, too', async () => {
      return (await look.list('done')).length === REQUESTS;
    }, 60000, 200);
    clearInterval(watch);
    t.diagnostic(`all are closed ${Date.now() - began} ms after the start; ` +
      `resident memory of the executor ${(peakKiB / 1024).toFixed(1)} MiB at most`);

    const { calls, distinct } = await world.core.stats();
    assert.equal(distinct.public, OPEN);
    assert.equal(calls.PublicDecrypt, OPEN);
    const verdict = await world.judge({ others: true });
    assert.deepEqual(verdict.problems, []);
    assert.equal(verdict.transactions, OPEN);
    assert.ok(peakKiB > 0 && peakKiB < RSS_MAX_KIB, `${peakKiB} KiB`);
    await look.waitFine();
  });
});
