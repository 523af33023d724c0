/*
 * S3 in all its forms, at a server that verifies signatures: where the URL of a bucket leads, which
 * requests are signed and which never, credentials that are wrong, temporary, or readable for others.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkSignature, startS3 } from '../peers/s3.mjs';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

const region = 'eu-west-1';
const domain = 's3.localhost';
const id = 'AKIAIOSFODNN7EXAMPLE';
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const buckets = ['open', 'virtual', 'named', 'own'];
let world;
let look;
let s3;
let file; /* of the credentials */
let endpoint;
let config; /* s3_config */

function writeCredentials(lines, mode = 0o600) {
  fs.rmSync(file, { force: true });
  fs.writeFileSync(file, Object.entries(lines).map(([k, v]) => `${k}=${v}\n`).join(''));
  fs.chmodSync(file, mode);
}

before(async () => {
  s3 = await startS3({ buckets, domain, region, keys: { [id]: { secret } } });
  s3.open.add('open');
  world = await startWorld({ config: { retry_interval_secs: 1 } });
  world.started.push(s3);
  look = lookAt(world);
  file = path.join(world.dir, 'credentials');
  writeCredentials({ access_key: id, secret_key: secret });
  endpoint = `http://${domain}:${s3.port}`;
  /* What the three coprocessors register: a stranger's host, a virtual host of ours, a name. */
  const urls = [`http://127.0.0.1:${s3.port}/open/`, `http://virtual.${domain}:${s3.port}`, 's3://named'];
  for (const [i, { address }] of world.coprocessors.entries()) {
    await world.send(world.httpz, 'removeCoprocessor', address);
    await world.send(world.httpz, 'addCoprocessor', address, address, urls[i]);
  }
  config = { endpoint, region, bucket: 'own', credentials_file: file, allow_private: true };
  world.writeConfig({ s3_config: config });
});
after(() => world?.stop());

/** A request over a new ciphertext that lies in one bucket alone: its name, and its key. */
async function ask(bucket) {
  const set = await world.makeCiphertexts([5], { keepBodies: true });
  const [{ body, digest }] = set;
  s3.put(bucket, body);
  const [name] = await world.ask(1, { sets: [set] });
  return { name, key: digest.slice(2) };
}

const seenOf = ({ key }) => s3.seen.filter((r) => r.key === key);

/** Other settings of the storage: of all processes only the executor starts again. */
async function reload(change = {}) {
  world.writeConfig({ s3_config: { ...config, ...change } });
  const { code, output } = await world.cli('reload');
  assert.equal(code, 0, output);
  assert.equal(output, 'applied; restarted: executor\n');
  await look.waitFine();
}

test('the verifying server knows the example of S3\'s own documentation', () => {
  const keys = { [id]: { secret } };
  const request = {
    method: 'GET',
    url: '/test.txt',
    headers: {
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'x-amz-date': '20130524T000000Z',
      authorization: `AWS4-HMAC-SHA256 Credential=${id}/20130524/us-east-1/s3/aws4_request, `
        + 'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, '
        + 'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    },
  };
  const at = { region: 'us-east-1', keys, now: Date.UTC(2013, 4, 24) };
  assert.equal(checkSignature(request, at), null);
  assert.equal(checkSignature({ ...request, url: '/test.txt?a' }, at), 'SignatureDoesNotMatch');
  assert.equal(checkSignature(request, { ...at, now: at.now + 16 * 60 * 1000 }), 'RequestTimeTooSkewed');
  assert.equal(checkSignature(request, { ...at, keys: { [id]: { secret: `${secret}x` } } }), 'SignatureDoesNotMatch');
});

test('what must not start: an endpoint that is no URL, credentials that others can read or that are none', async () => {
  const cases = [
    [{ endpoint: 'minio:9000' }, 0o600, 78, /config\.yaml:\d+:\d+: s3_config\.endpoint: it must begin with http:\/\/ or https:\/\/; correct it/],
    [{ endpoint: `http://a:hunter2@${domain}` }, 0o600, 78, /config\.yaml:\d+:\d+: s3_config\.endpoint: a user name or password does not belong/],
    [{}, 0o640 | 0o004, 77, /config\.yaml:\d+:\d+: \S+credentials has mode 0644, so that others can use the credentials; chmod 0600 it/],
    [{ credentials_file: world.configFile }, 0o600, 77, /config\.yaml has mode/],
    [{ endpoint: undefined, region: undefined }, 0o600, 78, /s3_config\.bucket needs to know where; add s3_config\.endpoint/],
  ];
  for (const [change, mode, code, said] of cases) {
    const s3Config = { ...config, ...change };
    for (const name of Object.keys(s3Config)) if (s3Config[name] === undefined) delete s3Config[name];
    world.writeConfig({ s3_config: s3Config });
    fs.chmodSync(file, mode);
    const checked = await world.cli('check');
    assert.equal(checked.code, code, checked.output);
    assert.match(checked.output, said);
    const from = look.mark();
    assert.equal((await (await world.startConnector({ init: false })).exited).code, code);
    assert.match(world.log().slice(from), said);
    assert.ok(!(checked.output + world.log()).includes('hunter2'));
    assert.ok(!(checked.output + world.log()).includes(secret));
  }
  fs.chmodSync(file, 0o600);
  world.writeConfig({ s3_config: config });
});

test('each form of a bucket; only requests to the operator\'s endpoint are signed', async () => {
  await world.startConnector();
  await look.waitFine();
  const { code, output } = await world.cli('check', '--online');
  assert.equal(code, 0, output);
  assert.match(output, /^storage\n {2}ciphertexts from +buckets that coprocessors register, then our own: own$/m);
  assert.match(output, new RegExp(`^ {2}s3:// names are at +${endpoint}, path style$`, 'm'));
  assert.match(output, new RegExp(`^ {2}signed requests to it +region ${region}, credentials in ${file}$`, 'm'));
  assert.match(output, new RegExp(`^OK +storage ${endpoint} accepts connections$`, 'm'));

  const asked = {};
  for (const bucket of buckets) asked[bucket] = await ask(bucket);
  await look.answered(Object.values(asked).map((a) => a.name));
  for (const bucket of buckets) {
    const seen = seenOf(asked[bucket]);
    assert.deepEqual(seen.filter((r) => r.status === 200).map((r) => r.bucket), [bucket]);
    assert.equal(seen.length, new Set(seen.map((r) => r.bucket)).size, 'each is asked once');
    for (const r of seen) {
      assert.equal(r.id, r.bucket === 'open' ? null : id, `${r.host} ${r.bucket}`);
      assert.equal(r.host, `${{ open: '127.0.0.1', virtual: `virtual.${domain}` }[r.bucket] ?? domain}:${s3.port}`);
      assert.ok(r.status === 200 || r.code === 'NoSuchKey', r.code);
    }
  }
  assert.deepEqual(seenOf(asked.own).map((r) => r.bucket).sort(), [...buckets].sort());
  assert.equal(seenOf(asked.own).at(-1).bucket, 'own', 'our own comes last');
  assert.equal(look.lines('X006').length, 0);
  await look.judged();

  /* `verify` asks every registered bucket, with the same signatures, and our own last. */
  s3.seen.length = 0;
  const verified = await world.cli('verify', '--last', '4');
  assert.equal(verified.code, 0, verified.output);
  assert.match(verified.output, /^4 requests: 4 right, 0 wrong, 0 cannot be checked$/m);
  for (const bucket of buckets) {
    const seen = seenOf(asked[bucket]);
    assert.deepEqual(seen.map((r) => r.bucket).sort(), bucket === 'own' ? [...buckets].sort() : ['named', 'open', 'virtual']);
    assert.ok(seen.every((r) => r.id === (r.bucket === 'open' ? null : id)));
  }
});

test('virtual hosts, and temporary credentials', async () => {
  const token = `${'t/'.repeat(700)}==`;
  s3.keys = { ASIATEMPORARY: { secret: 'a/b+c=', token } };
  writeCredentials({ access_key: 'ASIATEMPORARY', secret_key: 'a/b+c=', session_token: token });
  await reload({ style: 'virtual' });
  const asked = [await ask('named'), await ask('own')];
  await look.answered(asked.map((a) => a.name));
  for (const [i, bucket] of ['named', 'own'].entries()) {
    const [got] = seenOf(asked[i]).filter((r) => r.status === 200);
    assert.deepEqual([got.host, got.id], [`${bucket}.${domain}:${s3.port}`, 'ASIATEMPORARY']);
  }
  s3.keys = { [id]: { secret } };
});

test('a wrong secret: the request waits with one line, until its bucket is public or the secret is right', async () => {
  const wrong = `${secret.slice(0, -1)}Z`;
  writeCredentials({ access_key: id, secret_key: wrong });
  await reload();
  const from = look.mark();
  const first = await ask('named');
  const line = await look.waitLine('X006', { id: first.name, from });
  assert.equal(line.why, `${endpoint}/own: not given to our credentials: SignatureDoesNotMatch (HTTP 403)`);
  await look.waitShow(first.name, 'is tried again', (r) => r.attempts >= 2 && r.reason === line.why);
  assert.equal((await look.stage('storage')).state, 'runs');
  /* Everyone may read it now: the same place without a signature. */
  s3.open.add('named');
  await look.answered([first.name]);
  s3.open.delete('named');

  const second = await ask('named');
  await look.waitLine('X006', { id: second.name, from });
  writeCredentials({ access_key: id, secret_key: secret });
  await reload();
  await look.answered([second.name]);
  for (const { name } of [first, second]) assert.equal(look.lines('X006', { id: name }).length, 1);
  for (const word of [secret, wrong]) assert.ok(!world.log().includes(word), 'a secret is in the log');
  await look.judged();
});

test('credentials that become readable for others: the executor waits for a reload', async () => {
  const from = look.mark();
  fs.chmodSync(file, 0o644);
  world.signal('kms-executor');
  const line = await look.waitLine('S005', { from, child: 'executor' });
  assert.match(line.text, /credentials of the storage cannot be used/);
  assert.match(world.log().slice(from), /s3_config\.credentials_file: \S+credentials has mode 0644/);
  fs.chmodSync(file, 0o600);
  await reload();
  const { name } = await ask('own');
  await look.answered([name]);
});

test('private addresses: those of the operator\'s endpoint, and no others', async () => {
  await reload({ allow_private: false });
  const from = look.mark();
  const named = await ask('named');
  const open = await ask('open');
  await look.answered([named.name]);
  await look.waitLine('X006', { from, id: open.name });
  assert.deepEqual(seenOf(open).filter((r) => r.bucket === 'open'), [], 'a stranger\'s URL leads to no private address');
  await reload();
  await look.answered([open.name]);
  await look.judged();
});
