/*
 * check - what an operator types before anything runs: configurations that are wrong, a good
 * one, the online check in a good world and in bad ones, and starts that must not happen.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, removeDir, temporaryDir, until } from '../peers/process.mjs';
import { program, startWorld } from './world.mjs';

const configs = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'configs');
let world;
let dir;

const run = (...words) => new Promise((resolve) => {
  execFile(program, words, { env: { PATH: process.env.PATH }, timeout: 20000 }, (e, stdout, stderr) =>
    resolve({ code: e ? e.code : 0, output: stdout + stderr }));
});
/** A variant of the world's configuration, beside it. */
function variant(name, change) {
  const file = path.join(world.dir, `${name}.yaml`);
  fs.writeFileSync(file, change(fs.readFileSync(world.configFile, 'utf8')));
  return file;
}

before(async () => {
  dir = temporaryDir('kms-check');
  fs.writeFileSync(path.join(dir, 'key'), `${'11'.repeat(32)}\n`, { mode: 0o600 });
  world = await startWorld();
  assert.equal((await run('key', 'init', '-c', world.configFile)).code, 0);
});
after(async () => {
  await world?.stop();
  removeDir(dir);
});

test('each bad configuration: file, line, column, a remedy, exit 78', { timeout: 60000 }, async () => {
  let tried = 0;
  for (const name of fs.readdirSync(configs).filter((f) => f.endsWith('.yaml'))) {
    const expected = fs.readFileSync(path.join(configs, name.replace('.yaml', '.expected')), 'utf8');
    const text = fs.readFileSync(path.join(configs, name), 'utf8');
    /* keys of other sorts are made by the unit test */
    if (!expected.startsWith('exit 78\n') || /@DIR@\/(?!key\b)/.test(text)) continue;
    const file = path.join(dir, name);
    fs.writeFileSync(file, text.replaceAll('@DIR@', dir));
    const { code, output } = await run('check', '-c', file);
    const lines = output.trim().split('\n');
    assert.equal(code, 78, `${name}: ${output}`);
    const located = lines.filter((l) => /^[^:]+\.yaml(:\d+:\d+)?: ./.test(l) || /KMS_CONNECTOR_/.test(l));
    assert.deepEqual(located, lines, name);
    tried++;
  }
  assert.ok(tried >= 60, `${tried} configurations were tried`);
});

test('a good one: what it will do, and what it could cost', async () => {
  const { code, output } = await run('check', '-c', world.configFile);
  assert.equal(code, 0, output);
  for (const what of [/421614/, /public_decryption/, /ETH per day/, /answers/, new RegExp(world.dir)]) assert.match(output, what);
});

test('online: a good world', { timeout: 30000 }, async () => {
  const { code, output } = await run('check', '--online', '-c', world.configFile);
  assert.equal(code, 0, output);
  for (const what of [/regist/, /has 100 ETH/, /Core/, /finalized/, /421614/]) assert.match(output, what);
  assert.doesNotMatch(output, /FAIL/);
});

test('online: each thing that is not as it should be is said, exit 69', { timeout: 60000 }, async () => {
  const fails = async (file, what) => {
    const { code, output } = await run('check', '--online', '-c', file);
    assert.equal(code, 69, output);
    assert.match(output.split('\n').filter((l) => l.includes('FAIL')).join('\n'), what);
  };
  const nobody = await freePort();
  await fails(variant('no_core', (t) => t.replace(/kms_core_endpoint: .*/, `kms_core_endpoint: "http://127.0.0.1:${nobody}"`)), /Core/);
  await fails(variant('other_chain', (t) => t.replace('421614', '421615')), /chain/);
  await fails(variant('no_contract', (t) => t.replace(/httpz_address: .*/, 'httpz_address: "0x00000000000000000000000000000000000000AA"')), /contract/i);
  await world.chain.fund(world.node.address, 0);
  await fails(world.configFile, /ETH/);
  await world.chain.fund(world.node.address, 100);
  await world.removeNode();
  await fails(world.configFile, /regist|list/i);
  await world.registerNode();
});

test('starts that must not happen', { timeout: 60000 }, async () => {
  const fresh = variant('fresh', (t) => t.replace(/data_dir: .*/, `data_dir: "${dir}/fresh"`));
  const uninitialised = await run('run', '-c', fresh);
  assert.equal(uninitialised.code, 78);
  assert.match(uninitialised.output, /key init/);

  fs.chmodSync(world.keyFile, 0o644);
  const open = await run('run', '-c', world.configFile);
  assert.equal(open.code, 77, open.output);
  assert.match(open.output, /chmod/);
  fs.chmodSync(world.keyFile, 0o600);

  await world.startConnector();
  const second = await run('run', '-c', world.configFile);
  assert.equal(second.code, 100, second.output);
});

test('reload: a bad file changes nothing, a good one only what it must', { timeout: 60000 }, async () => {
  const pids = () => Object.fromEntries(world.processes().map((p) => [p.name, p.pid]));
  const text = fs.readFileSync(world.configFile, 'utf8');
  await until('all are ready', async () => (await fetch(`${world.monitorUrl}/readyz`)).status === 200, 15000);
  const old = pids();

  fs.writeFileSync(world.configFile, `${text}windw: 3\n`);
  const bad = await world.cli('reload');
  assert.notEqual(bad.code, 0);
  assert.deepEqual(pids(), old);

  fs.writeFileSync(world.configFile, `${text}window: 512\n`);
  assert.equal((await world.cli('reload')).code, 0);
  await until('the executor is another', () => {
    const now = pids();
    return now['kms-executor'] && now['kms-executor'] !== old['kms-executor'];
  }, 10000);
  const now = pids();
  delete now['kms-executor'];
  const others = { ...old };
  delete others['kms-executor'];
  assert.deepEqual(now, others);
  await world.ask(2, { types: [5] });
  assert.deepEqual((await world.waitAnswered(15000)).missing, []);
  assert.deepEqual((await world.judge()).problems, []);
});
