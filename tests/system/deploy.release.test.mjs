/*
 * The three ways in which the whole can run, each from the tree that `make install` makes: as one
 * unprivileged user, as root with a user for each process, and as process 1 of a container with a
 * read-only root.  What each process may do is read from /proc and tried, not believed.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { readProcess, temporaryDir } from '../peers/process.mjs';
import { lookAt, until } from './look.mjs';
import { program as built, startWorld } from './world.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const SUPERVISOR = 'kms-connector';
const CHILDREN = ['kms-executor', 'kms-listener', 'kms-monitor', 'kms-signer', 'kms-submitter'];
const ALL = [SUPERVISOR, ...CHILDREN];
const NOBODY = 61001; /* a number that stands in no /etc/passwd */

let tree; /* DESTDIR */
let program;

const inTree = (...parts) => path.join(tree, ...parts);
const say = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Both outputs of a command, and its exit code. */
function tell(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', cwd: '/' });
  if (error) throw error;
  return { code: status, text: stdout + stderr };
}

/** The same as another user; root too has only a user's rights then. */
const tellAs = (uid, gid, ...words) => {
  return tell('setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all',
    '--', ...words);
};

before(() => {
  assert.equal(process.getuid(), 0, 'only root can run things as others');
  tree = temporaryDir('kms-install');
  fs.chmodSync(tree, 0o755); /* other users run what is in it */
  const { MAKEFLAGS, MAKELEVEL, MFLAGS, ...env } = process.env;
  const build = path.dirname(path.dirname(path.resolve(built)));
  execFileSync('make', ['-s', `B=${build}`, `DESTDIR=${tree}`, 'PREFIX=/usr', 'install'], { cwd: root, env });
  program = inTree('usr', 'bin', SUPERVISOR);
});

// ---- what is installed ----

test('make install: a tree whose program runs where it stands', { timeout: 60000 }, () => {
  const modes = Object.fromEntries(say('find', tree, '(', '-type', 'f', '-o', '-type', 'l', ')', '-printf', '%P %m\\n')
    .trim().split('\n').map((line) => line.split(' ')));
  assert.deepEqual(modes, {
    'etc/kms-connector/config.yaml.example': '644',
    'usr/bin/kms-connector': '777', /* a link */
    ...Object.fromEntries(ALL.map((name) => [`usr/lib/kms-connector/${name}`, '755'])),
    'usr/lib/systemd/system/kms-connector.service': '644',
    'usr/lib/sysusers.d/kms-connector.conf': '644',
    'usr/lib/tmpfiles.d/kms-connector.conf': '644',
    ...Object.fromEntries(fs.readdirSync(path.join(root, 'proto', 'profiles')).filter((f) => f.endsWith('.yaml'))
      .map((f) => [`usr/share/kms-connector/profiles/${f}`, '644'])),
    'usr/share/man/man1/kms-connector.1': '644',
    'usr/share/man/man5/kms-connector.yaml.5': '644',
  });
  assert.match(say(program, 'version'), /^kms-connector \d+\.\d+\.\d+ \(build \S+\)\n$/);
  assert.equal(say(program, 'version'), say(built, 'version'));

  /* The example needs only a key to be a configuration. */
  const config = inTree('config.yaml');
  const key = inTree('key');
  fs.writeFileSync(key, `${'1'.repeat(64)}\n`, { mode: 0o600 });
  const example = fs.readFileSync(inTree('etc/kms-connector/config.yaml.example'), 'utf8');
  const check = (lines) => {
    fs.writeFileSync(config, `${lines}key_file: ${key}\n`);
    const { code, text } = tell(program, 'check', '-c', config);
    assert.equal(code, 0, text);
    assert.doesNotMatch(text, /warning/);
    return text;
  };
  const text = check(example);
  assert.match(text, /^ +public_decryption +from latest +answered$/m);
  assert.match(text, /^ +settled is +what is 8 days older than the finalized block/m);
  /* So it is with the lines that stand there as comments. */
  assert.match(check(example.replace(/^#(?=\w| {2})/gm, '')), /^ +the parent chain at +rpc-1$/m);
});

test('each program links what it needs and nothing else', () => {
  const common = ['libc.so.6'];
  const wanted = {
    'kms-connector': ['libcjson.so.1', 'libcurl.so.4', 'libev.so.4', 'libsecp256k1.so.1', 'libsodium.so.23',
      'libyaml-0.so.2'],
    'kms-executor': ['libcjson.so.1', 'libcurl.so.4', 'libev.so.4', 'libgpr.so.29', 'libgrpc.so.29',
      'libprotobuf-c.so.1', 'libseccomp.so.2', 'libsecp256k1.so.1', 'libsqlite3.so.0'],
    'kms-listener': ['libcjson.so.1', 'libcurl.so.4', 'libev.so.4', 'libseccomp.so.2', 'libsecp256k1.so.1',
      'libwebsockets.so.17'],
    'kms-monitor': ['libev.so.4', 'libseccomp.so.2'],
    'kms-signer': ['libseccomp.so.2', 'libsecp256k1.so.1', 'libsodium.so.23'],
    'kms-submitter': ['libcjson.so.1', 'libcurl.so.4', 'libev.so.4', 'libseccomp.so.2', 'libsecp256k1.so.1'],
  };
  for (const name of ALL) {
    const text = say('readelf', '-d', inTree('usr/lib/kms-connector', name));
    const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, lib]) => lib).sort();
    assert.deepEqual(needed, [...common, ...wanted[name]].sort(), name);
    assert.match(text, /FLAGS.*\bNOW\b/, `${name}: everything is bound at the start`);
    assert.match(text, /FLAGS_1.*\bPIE\b/, name);
  }
  /* Of the signer also what its libraries bring. */
  const all = say('ldd', inTree('usr/lib/kms-connector/kms-signer')).trim().split('\n')
    .map((line) => path.basename(line.trim().split(' ')[0])).sort();
  assert.deepEqual(all, ['ld-linux-x86-64.so.2', 'libc.so.6', 'libseccomp.so.2', 'libsecp256k1.so.1',
    'libsodium.so.23', 'linux-vdso.so.1']);
});

test('manual pages render without a warning, and say all that there is', () => {
  const plain = (page) => {
    const { code, text } = tell('groff', '-ww', '-man', '-Tascii', '-P-cbou', '-rLL=200n', inTree('usr/share/man', page));
    assert.equal(code, 0, text);
    assert.doesNotMatch(text, /warning|error:/);
    return text;
  };
  const commands = plain('man1/kms-connector.1');
  for (const [, name] of say(program, 'help').matchAll(/^ {2}([a-z]+) {2,}/gm)) {
    assert.match(commands, new RegExp(`^ +${name}\\b`, 'm'));
  }
  const options = plain('man5/kms-connector.yaml.5');
  for (const [, name] of say(program, 'help', 'options').matchAll(/^(\S+)$/gm)) {
    assert.ok(options.split('\n').some((line) => line.trim().split(' ')[0] === name), name);
  }
});

test('systemd takes unit, users and directories as they are installed', () => {
  /* Its programs are where the tree stands now. */
  const unit = inTree('kms-connector.service');
  fs.writeFileSync(unit, fs.readFileSync(inTree('usr/lib/systemd/system/kms-connector.service'), 'utf8')
    .replaceAll('=/usr/bin/', `=${tree}/usr/bin/`));
  assert.deepEqual(tell('systemd-analyze', 'verify', unit), { code: 0, text: '' });

  say('systemd-sysusers', `--root=${tree}`);
  const user = /^kms-connector:[^:]*:(\d+):(\d+):/m.exec(fs.readFileSync(inTree('etc/passwd'), 'utf8'));
  say('systemd-tmpfiles', `--root=${tree}`, '--create');
  const of = (dir) => say('stat', '-c', '%a %u %g', inTree(dir)).trim();
  assert.equal(of('etc/kms-connector'), `750 0 ${user[2]}`);
  assert.equal(of('var/lib/kms-connector'), `700 ${user[1]} ${user[2]}`);
});

// ---- what runs ----

/** /proc/PID/status as an object. */
function statusOf(pid) {
  return Object.fromEntries(fs.readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n')
    .map((line) => line.split(/:\s*/, 2)));
}

/** Files that a process has open. */
function openFiles(pid) {
  return fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; /* closed in this instant */
    }
  });
}

/** pid of each of the six, by name; ps must see exactly these. */
function six(world) {
  const pids = Object.fromEntries(ALL.map((name) => [name, world.processOf(name)?.pid]));
  const seen = say('ps', '-o', 'comm=', '-p', String(pids[SUPERVISOR]), '--ppid', String(pids[SUPERVISOR]));
  assert.deepEqual(seen.trim().split('\n').sort(), [...ALL].sort());
  return pids;
}

const LOOK = `for pid; do
  for f in environ mem maps; do { : </proc/$pid/$f; } 2>/dev/null && echo "$pid $f"; done
  readlink /proc/$pid/fd/0 >/dev/null && echo "$pid fd"
done`;

/**
 * Has every process given away what it need not keep?  `users`: name -> [uid, gid].
 */
function assertConfined(pids, users) {
  for (const name of ALL) {
    const [uid, gid] = users[name];
    const s = statusOf(pids[name]);
    assert.equal(s.Uid, Array(4).fill(uid).join('\t'), `${name}: real, effective, saved and file user`);
    assert.equal(s.Gid, Array(4).fill(gid).join('\t'), name);
    assert.equal(s.NoNewPrivs, '1', name);
    if (uid !== 0) assert.match(`${s.CapInh}${s.CapPrm}${s.CapEff}${s.CapAmb}`, /^0+$/, `${name}: capabilities`);
    if (name === SUPERVISOR) continue;
    assert.match(s.Groups.trim(), new RegExp(`^(${gid})?$`), `${name}: groups`);
    assert.equal(s.Seccomp, '2', name);
    assert.match(fs.readFileSync(`/proc/${pids[name]}/limits`, 'latin1'), /^Max core file size +0 +0 /m, name);
    /* Not dumpable: another process of the same user may look at its own memory, not at ours. */
    assert.deepEqual(tellAs(uid, gid, 'sh', '-c', LOOK, 'sh', 'self', String(pids[name])).text.trim().split('\n'),
      ['self environ', 'self mem', 'self maps', 'self fd'], `what can be seen of ${name}`);
  }
}

/** Owner, group and mode of a file. */
function ownerOf(file) {
  const { uid, gid, mode } = fs.statSync(file);
  return [uid, gid, (mode & 0o7777).toString(8)];
}

async function answers(world, count = 10) {
  const { missing } = await (world.ask(count, { types: [0, 2, 5, 8, 9], materials: 2 })
    .then((names) => world.waitAnswered(30000, { names })));
  assert.deepEqual(missing, []);
}

async function judged(world, transactions) {
  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, transactions);
}

/* A child that dies is started again with everything that it had. */
async function dies(world, name) {
  const pid = world.signal(name);
  await until(`another ${name}`, () => (world.processOf(name)?.pid ?? pid) !== pid, 10000);
  await lookAt(world).waitFine();
}

test('as one unprivileged user', { timeout: 120000 }, async (t) => {
  const world = await startWorld({ binary: program });
  t.after(() => world.stop());
  const home = path.join(world.dir, 'home');
  const data = path.join(home, 'data');
  for (const dir of [home, data]) {
    fs.mkdirSync(dir, { mode: 0o700 });
    fs.chownSync(dir, NOBODY, NOBODY);
  }
  const key = path.join(home, 'key');
  fs.renameSync(world.keyFile, key);
  fs.chownSync(key, NOBODY, NOBODY);
  world.writeConfig({ data_dir: data, runtime_dir: path.join(home, 'run'), key_file: key });

  /* Root prepares the account for the user who owns data_dir, as the README says. */
  const init = await world.cli('key', 'init');
  assert.equal(init.code, 0, init.output);
  for (const file of ['signer', 'signer/journal']) {
    assert.deepEqual(ownerOf(path.join(data, file)).slice(0, 2), [NOBODY, NOBODY], file);
  }

  world.wrap = ['env', '--chdir', home, 'setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups',
    '--pdeathsig', 'KILL', '--'];
  await world.startConnector({ init: false });
  await answers(world);
  const status = await lookAt(world).waitFine();
  assert.match(status.text, /^needs you: nothing\n/);
  assertConfined(six(world), Object.fromEntries(ALL.map((name) => [name, [NOBODY, NOBODY]])));

  const modes = { '.': '700', store: '700', signer: '700', 'signer/journal': '600', lock: '644' };
  for (const [file, mode] of Object.entries(modes)) {
    assert.deepEqual(ownerOf(path.join(data, file)), [NOBODY, NOBODY, mode], file);
  }
  const sockets = fs.readdirSync(path.join(home, 'run')).filter((f) => f.endsWith('.sock'));
  assert.equal(sockets.length, 5);
  for (const file of sockets) assert.deepEqual(ownerOf(path.join(home, 'run', file)), [NOBODY, NOBODY, '600'], file);

  const stranger = tellAs(NOBODY + 1, NOBODY + 1, program, 'status', '-c', world.configFile);
  assert.equal(stranger.code, 77);
  assert.match(stranger.text, /Permission denied; run this as root or as the connector's user\n$/);

  assert.deepEqual(await world.stopConnector(), { code: 0, signal: null, error: undefined, orphans: [] });
  assert.deepEqual(fs.readdirSync(path.join(home, 'run')), [], 'nothing is left');
  await judged(world, 10);
});

/* Users that every Debian has; none of them is root or shares a group with another. */
const borrowed = { listener: 'daemon', executor: 'bin', submitter: 'sys', signer: 'games', monitor: 'news' };

test('as root, with a user for each process', { timeout: 120000 }, async (t) => {
  const ids = Object.fromEntries(Object.entries(borrowed).map(([role, name]) => {
    return [role, ['-u', '-g'].map((which) => Number(say('id', which, name)))];
  }));
  ids.operator = ids.supervisor = [0, 0];
  const users = Object.fromEntries(Object.entries(ids).map(([role, who]) => [`kms-${role}`, who]));
  users[SUPERVISOR] = ids.supervisor;
  const world = await startWorld({ binary: program, config: { users: borrowed } });
  t.after(() => world.stop());
  fs.chownSync(world.keyFile, ...ids.signer);
  world.wrap = ['setpriv', '--groups', '0,4,27', '--pdeathsig', 'KILL', '--']; /* groups that no child may keep */

  await world.startConnector();
  await answers(world, 5);
  for (const name of CHILDREN) await dies(world, name);
  assert.deepEqual((await world.killConnector()).orphans, [], 'with the supervisor its children go');
  await world.startConnector();
  await answers(world, 5);
  const pids = six(world);
  assertConfined(pids, users);

  /* The key: its file for the signer's user alone, its descriptor for nobody once it is read. */
  const journal = path.join(world.config.data_dir, 'signer', 'journal');
  for (const role of Object.keys(borrowed)) {
    const { code } = tellAs(...ids[role], 'head', '-c', '1', world.keyFile);
    assert.equal(code === 0, role === 'signer', `the key and ${role}`);
  }
  for (const name of ALL) {
    assert.ok(!openFiles(pids[name]).includes(world.keyFile), `${name} holds the key file`);
    assert.equal(openFiles(pids[name]).includes(journal), name === 'kms-signer', `${name} and the journal`);
  }
  const closed = ['signer', 'store'].map((dir) => path.join(world.config.data_dir, dir));
  for (const dir of closed) {
    for (const role of Object.keys(borrowed)) {
      const { code } = tellAs(...ids[role], 'ls', dir);
      assert.equal(code === 0, role === 'executor' && dir.endsWith('store'), `${dir} and ${role}`);
    }
  }
  assert.deepEqual(ownerOf(journal), [0, 0, '600']);
  assert.deepEqual(ownerOf(closed[1]), [...ids.executor, '700']);
  assert.deepEqual(ownerOf(world.config.data_dir), [0, 0, '711']);

  /* Who listens owns the socket, who connects is its group, nobody else passes. */
  const links = { listener: ['executor', 'listener'], monitor: ['executor', 'monitor'],
    operator: ['executor', 'operator'], submitter: ['submitter', 'executor'], signer: ['signer', 'submitter'] };
  assert.deepEqual(ownerOf(world.config.runtime_dir), [0, 0, '711']);
  for (const [link, [listens, connects]] of Object.entries(links)) {
    const file = path.join(world.config.runtime_dir, `${link}.sock`);
    assert.deepEqual(ownerOf(file), [ids[listens][0], ids[connects][1], '660'], link);
  }

  assert.deepEqual(await world.stopConnector(), { code: 0, signal: null, error: undefined, orphans: [] });
  await judged(world, 10);
});

/* Everything read-only but $1; root, as containers have it when all capabilities are taken away. */
const CONTAINER = `
  state=$1; shift
  mount --bind "$state" "$state"
  for where in $(cut -d' ' -f5 /proc/self/mountinfo); do
    [ "$where" = "$state" ] || mount -o remount,bind,ro "$where"
  done
  exec setpriv --clear-groups --bounding-set=-all --inh-caps=-all -- "$@"`;

test('as process 1 of a container with a read-only root, and a node without WebSocket', { timeout: 120000 }, async (t) => {
  const world = await startWorld({ binary: program });
  t.after(() => world.stop());
  const look = lookAt(world);
  const state = path.join(world.dir, 'state');
  fs.mkdirSync(state, { mode: 0o700 });
  world.writeConfig({
    gwl2_url: world.proxy.httpUrl, data_dir: path.join(state, 'data'), runtime_dir: path.join(state, 'run'),
  });
  world.wrap = ['unshare', '--pid', '--fork', '--kill-child', '--mount', '--mount-proc', '--',
    'sh', '-c', CONTAINER, 'container', state];
  assert.match((await world.cli('check')).output, /^ +is woken up by +none: the chain is polled$/m);
  await world.startConnector();

  const first = await until('the supervisor', () => world.processOf(SUPERVISOR));
  assert.match(statusOf(first.pid).NSpid, /\t1$/, 'it is process 1');
  /* A second process in it, as `docker exec` makes one. */
  const inside = ['nsenter', '--target', String(first.pid), '--pid', '--mount', '--'];
  world.wrap = inside;
  const can = tell(...inside, 'sh', '-c', 'for d; do { : >"$d/tried" && rm "$d/tried" && echo "$d"; } 2>/dev/null; done',
    'sh', state, '/', '/run', '/tmp', '/etc', '/var/lib', world.dir, tree, root);
  assert.equal(can.text, `${state}\n`, 'where it can write');

  await answers(world, 5);
  await look.waitFine();
  await dies(world, 'kms-executor');
  await dies(world, 'kms-signer');
  await answers(world, 5);
  assert.deepEqual(look.lines('L002'), [], 'no WebSocket');
  const pids = six(world);
  assertConfined(pids, Object.fromEntries(ALL.map((name) => [name, [0, 0]])));
  assert.match(statusOf(first.pid).CapEff, /^0+$/);

  /* Process 1 inherits what others leave behind, and buries it. */
  tell(...inside, 'sh', '-c', 'sleep 1 >/dev/null 2>&1 & exit 0');
  const left = await until('an orphan', () => world.processes().find((p) => p.name === 'sleep' && p.ppid === first.pid));
  await until('it is buried', () => readProcess(left.pid) === null);
  six(world);

  const from = look.mark();
  const { code, output } = await world.cli('reload');
  assert.equal(code, 0, output);
  await look.waitLine('S007', { from, restarted: 'none' });

  process.kill(first.pid, 'SIGTERM');
  assert.equal((await world.connector.exited).code, 0, 'its exit code is the container\'s');
  assert.equal(look.lines('S003').length, 2, 'nobody died but those we killed');
  await judged(world, 10);
});

after(() => {
  if (tree) fs.rmSync(tree, { recursive: true, force: true });
});
