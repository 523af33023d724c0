/*
 * What the program says before it runs, and of another configuration while it runs: each bad
 * file with its place and a remedy, a good one with what it will do and could cost, the network
 * as it is; keys, journals, a second instance, reload.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SigningKey, Wallet } from 'ethers';
import { startChain } from '../peers/chain.mjs';
import { startLagging } from '../peers/lagging.mjs';
import { freePort, temporaryDir } from '../peers/process.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const configs = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'configs');
const program = process.env.KMS_CONNECTOR_BIN ?? path.join(configs, '..', '..', 'build', 'bin', 'kms-connector');
let world;
let look;
let original; /* the good configuration */

before(async () => {
  world = await startWorld({ coreProxy: true });
  look = lookAt(world);
  original = { ...world.config };
});
afterEach(async () => { /* whatever a failure left behind */
  await Promise.all([world.proxy.forward(), world.coreProxy.forward()]);
  for (const name of Object.keys(world.config)) if (!(name in original)) delete world.config[name];
  world.writeConfig(original);
});
after(() => world?.stop());

// ---- files ----

/* Keys of all sorts beside the files, as tests/unit/config_test.c has them. */
function makeKeys(dir) {
  const key = '1'.repeat(64);
  const order = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141';
  const keys = {
    key: [`${key}\n`, 0o600], key_0x: [`0x${key}`, 0o400], key_group: [`${key}\n`, 0o640], open_mode: [`${key}\n`, 0o644],
    not_hex: ['this is no key, and it must not be printed\n', 0o600], short: ['1111\n', 0o600], long: [`${key}${key}\n`, 0o600],
    zero: [`${'0'.repeat(64)}\n`, 0o600], range: [`${order}\n`, 0o600],
    credentials: ['access_key=AKIA\nsecret_key=hunter2\n', 0o600], credentials_open: ['access_key=AKIA\nsecret_key=hunter2\n', 0o604],
    credentials_line: ['access_key=AKIA\nsecret=hunter2\n', 0o600], credentials_half: ['secret_key=hunter2\n', 0o600],
  };
  for (const [name, [text, mode]] of Object.entries(keys)) {
    fs.writeFileSync(path.join(dir, name), text);
    fs.chmodSync(path.join(dir, name), mode);
    fs.chownSync(path.join(dir, name), -1, process.getegid());
  }
  fs.symlinkSync('key', path.join(dir, 'key_link'));
  fs.symlinkSync('nowhere', path.join(dir, 'dangling'));
  fs.mkdirSync(path.join(dir, 'directory'));
}

function copyConfigs(from, to) {
  fs.mkdirSync(to, { recursive: true });
  for (const name of fs.readdirSync(from).filter((f) => f.endsWith('.yaml'))) {
    fs.writeFileSync(path.join(to, name), fs.readFileSync(path.join(from, name), 'latin1').replaceAll('@DIR@', to), 'latin1');
  }
}

test('each configuration of tests/configs: place, trouble and remedy, or what it will do and could cost', () => {
  const dir = temporaryDir('kms-configs');
  copyConfigs(configs, dir);
  copyConfigs(path.join(configs, 'profiles'), path.join(dir, 'profiles'));
  makeKeys(dir);
  const seen = {};
  for (const file of fs.readdirSync(configs).filter((f) => f.endsWith('.yaml'))) {
    const [first, ...rest] = fs.readFileSync(path.join(configs, file.replace(/yaml$/, 'expected')), 'utf8')
      .replaceAll('@DIR@', dir).split('\n');
    const got = spawnSync(program, ['check', '-c', file], { cwd: dir, env: { PATH: process.env.PATH }, encoding: 'utf8', timeout: 10000 });
    assert.equal(got.error, undefined, file);
    assert.equal(`exit ${got.status}`, first, `${file}: ${got.stderr}`);
    assert.equal(got.stderr, rest.join('\n'), file);
    seen[got.status] = (seen[got.status] ?? 0) + 1;
    for (const line of got.stderr.split('\n').filter(Boolean)) {
      assert.match(line, /^[\w./-]+\.yaml:\d+:\d+: .+(; .+|\?)$/, `${file}: a place, a trouble and a remedy`);
    }
    assert.ok(!/1{10}|hunter2/.test(got.stdout + got.stderr), `${file}: a secret is printed`);
    if (got.status !== 0) {
      assert.equal(got.stdout, '', file);
      continue;
    }
    for (const said of [/ is sound; profile /, /^chain \S+, id \d+$/m, /calls go to/, /public_decryption +from +\w+ +answered/,
      /^KMS Core \(threshold\)$/m, /signs results as +0x/, /^storage\n {2}ciphertexts from +(buckets that coprocessors register|the requests themselves)/m, /account +0x/, /budgets +[\d.]+ ETH per hour, [\d.]+ ETH per day/,
      /permit +\d+ answers of 300000 gas per hour/, /worst loss +[\d.]+ ETH for one transaction, [\d.]+ ETH per day/]) {
      assert.match(got.stdout, said, file);
    }
  }
  assert.deepEqual(Object.keys(seen), ['0', '77', '78']);
  assert.ok(seen[78] >= 92 && seen[77] >= 2 && seen[0] >= 10, JSON.stringify(seen));
});

test('a file that is not there, a word that is none', async () => {
  const run = (...words) => spawnSync(program, words, { env: { PATH: process.env.PATH }, encoding: 'utf8', timeout: 10000 });
  const missing = run('check', '-c', '/nowhere/kms.yaml');
  assert.equal(missing.status, 78);
  assert.match(missing.stderr, /\/nowhere\/kms\.yaml cannot be opened: No such file or directory; name another file/);
  const near = run('chekc');
  assert.equal(near.status, 64);
  assert.match(near.stderr, /unknown command "chekc"\nDid you mean check\?/);
  const secret = run('check', `--key=0x${'1'.repeat(64)}`);
  assert.equal(secret.status, 64);
  assert.match(secret.stderr, /a secret on the command line/);
  assert.ok(!secret.stderr.includes('1111'));
});

// ---- the network ----

async function online() {
  const { code, output } = await world.cli('check', '--online');
  const [, said] = output.split(/\n\n(?=OK|FAIL)/);
  const lines = (said ?? '').split('\n').filter((l) => /^(OK|FAIL) /.test(l));
  return { code, output, good: lines.filter((l) => l.startsWith('OK')), bad: lines.filter((l) => l.startsWith('FAIL')).map((l) => l.slice(6)) };
}

test('check --online in a good world', async () => {
  const { code, output, good, bad } = await online();
  assert.equal(code, 0, output);
  assert.deepEqual(bad, []);
  for (const said of [/node gateway is on chain 421614/, /node gateway serves finalized/, /node gateway serves eth_getLogs/,
    /WebSocket gateway-ws/, /decryption_manager is a contract at 0x/, /httpz is a contract at 0x/, /100(\.0+)? ETH/,
    new RegExp(`account ${world.node.address} is registered with identity ${world.core.address}`), /Core 127\.0\.0\.1:\d+/]) {
    assert.match(good.join('\n'), said);
  }
});

test('check --online says each thing that is missing, and exits with 69', async () => {
  const other = await startChain({ chainId: 31337 });
  const poor = await startLagging(world.chain);
  world.started.push(other, poor);
  poor.errors = { eth_getBlockByNumber: { code: -32601, message: 'the method is not available' } };
  const { proxy, coreProxy, chain, node, httpz } = world;
  const nobody = Wallet.createRandom().address;
  const urls = original.gwl2_url;
  const closed = await freePort();
  const missing = [
    ['not registered', () => world.removeNode(), () => world.registerNode(), [/account 0x\w+ is not registered as a node: register it/]],
    ['another identity', () => world.writeConfig({ kms_signer_address: nobody }), null,
      [new RegExp(`is registered with identity ${world.core.address}, but kms_signer_address is ${nobody}`)]],
    ['no money', () => chain.rpc('anvil_setBalance', node.address, '0x0'), () => chain.fund(node.address, 100), [/account 0x\w+ has .*: .*(fund|send)/i]],
    ['no Core', () => coreProxy.refuse(), () => coreProxy.forward(), [/^Core 127\.0\.0\.1:\d+: .*(refused|connect).*; check that it runs and kms_core_endpoint/i]],
    ['another chain', () => { proxy.target = other.port; proxy.drop(); }, () => { proxy.target = chain.port; proxy.drop(); },
      [/node gateway is on chain 31337, not 421614: correct its URL or chain_id/, /decryption_manager: no node of chain 421614 answers/, /httpz: no node/]],
    ['no node', () => proxy.refuse(), () => proxy.forward(),
      [/node gateway: .*; check its URL and that it runs/, /WebSocket gateway-ws: /, /decryption_manager: no node/, /httpz: no node/]],
    ['no WebSocket', () => world.writeConfig({ gwl2_url: [urls[0], { name: 'deaf', url: `ws://127.0.0.1:${closed}` }] }), null,
      [/WebSocket deaf: .*; without it the chain is polled/]],
    ['no contract', () => world.writeConfig({ decryption_manager_address: nobody }), null,
      [new RegExp(`there is no contract at ${nobody} \\(decryption_manager\\): correct the address or the node`)]],
    ['the contracts exchanged', () => world.writeConfig({ httpz_address: original.decryption_manager_address, decryption_manager_address: httpz.target }), null,
      [/list of nodes/]],
    ['no finalized block', () => world.writeConfig({ gwl2_url: [{ name: 'poor', url: poor.httpUrl }, urls[1]] }), null,
      [/node poor does not serve finalized: .*not available.*; use another node/]],
  ];
  for (const [what, spoil, mend, said] of missing) {
    await spoil();
    const { code, output, bad } = await online();
    await mend?.();
    world.writeConfig(original);
    assert.equal(code, 69, `${what}: ${output}`);
    assert.equal(bad.length, said.length, `${what}: ${bad.join('\n')}`);
    for (const [i, pattern] of said.entries()) assert.match(bad[i], pattern, what);
    assert.match(output, new RegExp(`\\n${bad.length} of these checks failed; the connector starts all the same`), what);
  }
  assert.equal((await online()).code, 0);
});

/* The core's public key as contracts may hold it: compressed, whole, whole without its head. */
function identities() {
  const { compressedPublicKey, publicKey } = new SigningKey(world.core.key);
  return [compressedPublicKey, publicKey, `0x${publicKey.slice(4)}`];
}

async function registerAgain(identity) {
  await world.removeNode();
  await world.registerNode(identity);
}

test('check --online where identities are public keys', async () => {
  for (const identity of identities()) {
    await registerAgain(identity);
    const { code, output, good } = await online();
    assert.equal(code, 0, output);
    assert.match(good.join('\n'), new RegExp(`account ${world.node.address} is registered with identity ${world.core.address}`), identity);
  }
  const other = Wallet.createRandom();
  const bad = [
    [new SigningKey(other.privateKey).compressedPublicKey, new RegExp(`is registered with identity ${other.address}, but kms_signer_address is ${world.core.address}`)],
    [`0x04${'11'.repeat(64)}`, /identity of 0x\w+ is neither an address nor a public key/],
    ['0x1234', /identity of 0x\w+ is neither an address nor a public key/],
  ];
  for (const [identity, said] of bad) {
    await registerAgain(identity);
    const got = await online();
    assert.equal(got.code, 69, got.output);
    assert.match(got.bad.join('\n'), said);
  }
  await registerAgain();
});

// ---- starting ----

test('a decryption that expires before it can be settled: check says it, and so does the start', async () => {
  const warning = /config\.yaml:(\d+):(\d+): warning: user_decryption expires after request_deadline \(24h\), before its block can be settled \(8 days\); write request_deadline: 9d, or a level below settled\n/;
  world.writeConfig({ finality: { user_decryption: 'settled' } });
  const { code, output } = await world.cli('check');
  assert.equal(code, 0, output);
  const [, line, column] = warning.exec(output);
  const text = fs.readFileSync(world.configFile, 'utf8').split('\n')[line - 1];
  assert.equal(text.slice(column - 1), '"settled"}', text);
  const from = look.mark();
  await (await world.startConnector({ init: false })).exited; /* there is no journal yet */
  assert.match(world.log().slice(from), warning);
  world.writeConfig({ request_deadline: '9d' });
  assert.doesNotMatch((await world.cli('check')).output, /before its block can be settled/);
});

test('run without a journal, without a readable key, and twice', async () => {
  const run = async () => {
    const from = look.mark();
    const { code } = await (await world.startConnector({ init: false })).exited;
    return { code, said: world.log().slice(from) };
  };
  const none = await run();
  assert.equal(none.code, 78);
  assert.match(none.said, /there is no journal at \S+\/signer\/journal\. {2}For a new account: kms-connector key init\./);

  assert.equal((await world.cli('key', 'init')).code, 0);
  const again = await world.cli('key', 'init');
  assert.notEqual(again.code, 0, 'a journal is made once');

  for (const [mode, what] of [[0o644, /has mode 0644.*chmod 0600/], [0o604, /has mode 0604.*chmod 0600/]]) {
    fs.chmodSync(world.keyFile, mode);
    const open = await run();
    assert.equal(open.code, 77, open.said);
    assert.match(open.said, /config\.yaml:\d+:\d+: /);
    assert.match(open.said, what);
    assert.ok(!open.said.includes(world.node.privateKey.slice(2)));
  }
  fs.chmodSync(world.keyFile, 0o600);

  await world.startConnector();
  await look.waitFine();
  const first = world.connector;
  const began = Date.now();
  const second = spawnSync(program, ['run', '-c', world.configFile], { env: { PATH: process.env.PATH }, encoding: 'utf8', timeout: 10000 });
  assert.equal(second.status, 100);
  assert.match(second.stderr, new RegExp(`already running \\(pid ${first.pid}\\) with data_dir ${world.config.data_dir}`));
  assert.ok(Date.now() - began < 2000);
  await look.answered(await world.ask(3));
});

// ---- reload ----

const roles = ['listener', 'executor', 'submitter', 'signer', 'monitor'];

/* role -> pid, once all are ready */
async function pids() {
  const { processes } = await look.waitFine();
  return Object.fromEntries(processes.filter((p) => roles.includes(p.name)).map((p) => [p.name, p.pid]));
}

test('reload with a bad file changes nothing', async () => {
  const were = await pids();
  const from = look.mark();
  world.writeConfig({ poll_intervall: '100ms' });
  const { code, output } = await world.cli('reload');
  assert.equal(code, 78);
  assert.match(output, /config\.yaml:\d+:1: unknown option "poll_intervall"; did you mean poll_interval\?\nnothing was changed\n$/);
  /* The same by signal: then the log tells. */
  const counted = await look.counters();
  process.kill(world.connector.pid, 'SIGHUP');
  const line = await look.waitLine('S008', { from });
  assert.match(line.reason, /exit code 78/);
  assert.ok(line.hint);
  assert.match(world.log().slice(from), /unknown option "poll_intervall"/);
  assert.equal(await look.grown(counted, 'supervisor_bad_reloads'), 1);
  world.writeConfig({ poll_intervall: undefined });
  assert.deepEqual(await pids(), were);

  world.writeConfig({ data_dir: path.join(world.dir, 'elsewhere') });
  process.kill(world.connector.pid, 'SIGHUP');
  assert.match((await look.waitLine('S008', { from, reason: /data_dir/ })).reason, /data_dir changes only with a restart/);
  world.writeConfig(original);
  assert.deepEqual(await pids(), were);
  await look.answered(await world.ask(3));
});

test('reload restarts the children whose part changed, and no other', async () => {
  const changes = [
    [{}, []],
    [{ retry_interval_secs: 2 }, ['executor']],
    [{ sign: { max_fee: '9gwei' } }, ['submitter', 'signer']],
    [{ sign: { max_fee: '9gwei', day: '4eth' } }, ['signer']],
    [{ monitor: { listen: `127.0.0.1:${await freePort()}` } }, ['monitor']],
    [{ start_block: 1 }, ['listener']],
  ];
  for (const [change, wanted] of changes) {
    const were = await pids();
    const from = look.mark();
    world.writeConfig(change);
    if (change.monitor) world.monitorUrl = `http://${change.monitor.listen}`;
    const { code, output } = await world.cli('reload');
    assert.equal(code, 0, output);
    const names = /^applied; restarted: (.*)\n$/.exec(output)[1];
    assert.deepEqual(names === 'none' ? [] : names.split(',').sort(), [...wanted].sort(), JSON.stringify(change));
    assert.equal(look.lines('S007', { from }).length, 1);
    await look.answered(await world.ask(3));
    const are = await pids();
    assert.deepEqual(roles.filter((r) => are[r] !== were[r]).sort(), [...wanted].sort(), JSON.stringify(change));
  }
  assert.equal(look.lines('S003').length, 0, 'none of them died by itself');
  await look.judged();
});

test('the running connector knows an identity that is a public key, and one that is none', async () => {
  let seconds = 10;
  /* The contract would refuse what is still to be closed. */
  await until('nothing is on its way', async () => (await look.list('submitting')).length === 0);
  /* The executor reads the list when it starts. */
  const start = async (identity) => {
    await registerAgain(identity);
    world.writeConfig({ retry_interval_secs: ++seconds });
    assert.equal((await world.cli('reload')).code, 0);
  };
  for (const identity of identities().slice(0, 2)) {
    await start(identity);
    await until('it is known as registered', async () => (await look.status()).figures.registered === 'yes');
  }
  assert.equal(look.lines('X017').length, 0);
  await start('0x1234');
  const line = await look.waitLine('X017');
  assert.equal(line.account, world.node.address);
  assert.equal(line.kms_signer_address, world.core.address);
  assert.equal(line.why, 'its identity is no address and no key');
  await look.waitStatus(/^needs you: the chain does not list this node: register its account 0x/);
  await start();
  await look.waitFine();
  await look.answered(await world.ask(3));
});

test('reload lets a child that waited for another configuration try again', async () => {
  assert.equal((await world.cli('reload')).code, 0); /* back to the original */
  await look.waitFine();
  fs.chmodSync(world.keyFile, 0o644);
  const from = look.mark();
  world.signal('kms-signer');
  const line = await look.waitLine('S005', { from, child: 'signer' });
  assert.ok(line.hint);
  const status = await look.waitStatus(/^needs you: signer cannot run with this configuration/);
  assert.equal(status.code, 2);
  const names = await world.ask(3);
  for (const name of names) await look.waitState(name, 'submitting');
  fs.chmodSync(world.keyFile, 0o600);
  const { code, output } = await world.cli('reload');
  assert.equal(code, 0, output);
  assert.equal(output, 'applied; restarted: signer\n');
  await look.answered(names);
  await look.waitFine();
  assert.equal(look.lines('S005', { from }).length, 1);
  await look.judged();
});
