/* faultproxy - each fault of its table once, seen from both sides of the proxy. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { coreClient } from './core.mjs';
import { status } from './core-answers.mjs';
import { startFakeCore } from './fakecore.mjs';
import { startFaultProxy } from './faultproxy.mjs';
import { until } from './process.mjs';

const started = []; /* stop functions */
let peer; /* a server that keeps what came, and says what it is told to */
let proxy;

before(async () => {
  peer = await startPeer();
  proxy = await startFaultProxy(peer.port);
  started.push(proxy.stop);
});

after(async () => {
  for (const stop of started.reverse()) await stop();
});

function listen(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

async function startPeer() {
  const self = { sockets: [] };
  const server = net.createServer({ noDelay: true }, (socket) => self.sockets.push(watch(socket)));
  self.port = await listen(server);
  started.push(() => {
    for (const { socket } of self.sockets) socket.destroy();
    server.close();
  });
  return self;
}

/** What happens at a socket: { socket, bytes, chunks, ended, error, closed }. */
function watch(socket) {
  const self = { socket, bytes: Buffer.alloc(0), chunks: [], ended: false, error: null, closed: false };
  socket.on('data', (chunk) => {
    self.bytes = Buffer.concat([self.bytes, chunk]);
    self.chunks.push({ at: Date.now(), bytes: chunk });
  });
  socket.on('end', () => { self.ended = true; });
  socket.on('error', (e) => { self.error = e.code; });
  socket.on('close', () => { self.closed = true; });
  return self;
}

/** A client, and what it is connected with at the peer (null where the proxy does not connect). */
async function connect({ reaches = true } = {}) {
  const before = peer.sockets.length;
  const client = watch(net.connect({ host: '127.0.0.1', port: proxy.port, noDelay: true }));
  started.push(() => client.socket.destroy());
  if (reaches) await until('the peer is reached', () => peer.sockets.length > before);
  return { client, server: peer.sockets[before] ?? null };
}

const text = (side) => side.bytes.toString('latin1');
const has = (side, what) => until(`"${what}" comes`, () => text(side) === what);
const acted = async (name) => (await proxy.stats()).acted[name] ?? 0;

/** One after the other, each a chunk of its own at the proxy. */
async function write(from, ...parts) {
  for (const part of parts) {
    const { bytesIn, bytesOut } = await proxy.stats();
    from.socket.write(part);
    await until('the proxy has it', async () => {
      const now = await proxy.stats();
      return now.bytesIn + now.bytesOut >= bytesIn + bytesOut + Buffer.byteLength(part);
    });
  }
}

async function ended({ client, server }) {
  client.socket.destroy();
  await until('both ends are gone', () => client.closed && (!server || server.closed));
  await proxy.clear();
}

// ---- connections ----

test('without a fault all bytes pass, both ways, and ends do too', async () => {
  const pair = await connect();
  const big = Buffer.alloc(3_000_000, 'abc');
  pair.client.socket.write(big);
  pair.server.socket.write(big);
  await until('all has come', () => pair.client.bytes.length === big.length && pair.server.bytes.length === big.length);
  assert.ok(pair.client.bytes.equals(big) && pair.server.bytes.equals(big));
  pair.server.socket.end('last');
  await until('the end comes', () => pair.client.ended);
  assert.equal(pair.client.error, null);
  await ended(pair);
  const stats = await proxy.stats();
  assert.deepEqual([stats.bytesIn, stats.bytesOut, stats.connections], [big.length, big.length + 4, 1]);
  assert.deepEqual(stats.acted, {});
  await until('nothing is open', async () => (await proxy.open()) === 0);
});

test('refuse and drop end a connection as soon as it is made; skip and count choose it', async () => {
  await proxy.fault('refuse', { skip: 1, count: 1 });
  const first = await connect();
  const second = await connect({ reaches: false });
  await until('it is reset', () => second.client.error === 'ECONNRESET' && second.client.closed);
  const third = await connect();
  await proxy.fault('drop', { count: 1 });
  const fourth = await connect({ reaches: false });
  await until('it ends', () => fourth.client.ended);
  assert.equal(fourth.client.error, null);
  assert.deepEqual([await acted('refuse'), await acted('drop')], [1, 1]);
  for (const pair of [first, third, fourth]) await ended(pair);
});

test('blackhole takes a connection and nothing more; cleared, it goes on', async () => {
  await proxy.fault('blackhole', { count: 1 });
  const pair = await connect({ reaches: false });
  pair.client.socket.write('hello');
  await until('the proxy has it', async () => (await acted('blackhole')) === 1);
  const { client: other, server } = await connect(); /* its bytes come, those of the first do not */
  other.socket.write('other');
  await has(server, 'other');
  assert.equal((await proxy.stats()).bytesIn - 3_000_000, 5);
  const before = peer.sockets.length;
  await proxy.clear();
  await until('the peer is reached', () => peer.sockets.length > before);
  await has(peer.sockets[before], 'hello');
  await ended({ client: other, server });
  await ended({ client: pair.client, server: peer.sockets[before] });
});

test('the whole proxy: drop, refuse, forward, silent', async () => {
  const pair = await connect();
  await proxy.drop();
  await until('both ends are reset', () => pair.client.error === 'ECONNRESET' && pair.server.closed);
  await proxy.refuse();
  const refused = await connect({ reaches: false });
  await until('nobody listens', () => refused.client.error === 'ECONNREFUSED');
  await proxy.forward();
  const again = await connect();
  await proxy.silent();
  again.client.socket.write('up');
  again.server.socket.write('down');
  await until('both are held', async () => (await acted('stall')) === 2);
  assert.deepEqual([text(again.client), text(again.server)], ['', '']);
  await proxy.forward();
  await Promise.all([has(again.client, 'down'), has(again.server, 'up')]);
  await ended(again);
});

// ---- bytes ----

/* Node takes a reset for an end when bytes came just before it, so it is looked at without them. */
test('reset at byte k: so many bytes, then a reset of both ends', async () => {
  for (const dir of ['down', 'up']) {
    for (const at of [10, 0]) {
      await proxy.fault('reset', { at, dir, count: 1 });
      const pair = await connect();
      const [from, to] = dir === 'down' ? [pair.server, pair.client] : [pair.client, pair.server];
      if (at) await write(from, '0123');
      await has(to, at ? '0123' : '');
      from.socket.write('456789abcdef');
      await until('both ends are gone', () => to.closed && from.error === 'ECONNRESET');
      assert.equal(text(to), '0123456789'.slice(0, at));
      if (!at) assert.equal(to.error, 'ECONNRESET');
      await ended(pair);
    }
  }
  assert.equal(await acted('reset'), 4);
});

test('truncate at byte k: so many bytes, then an end in order', async () => {
  await proxy.fault('truncate', { at: 10 });
  const pair = await connect();
  await write(pair.client, 'question');
  await has(pair.server, 'question');
  pair.server.socket.write('0123456789abcdef');
  await until('it ends', () => pair.client.ended);
  assert.deepEqual([text(pair.client), pair.client.error], ['0123456789', null]);
  assert.equal(await acted('truncate'), 1);
  await ended(pair);
});

test('stall: nothing moves after byte k, one way or both, until it is cleared', async () => {
  await proxy.resetStats();
  const pair = await connect();
  await proxy.fault('stall', { at: 3, dir: 'up', open: true });
  await write(pair.client, '01234');
  await write(pair.server, 'the other way');
  await Promise.all([has(pair.server, '012'), has(pair.client, 'the other way')]);
  await proxy.clear();
  await has(pair.server, '01234');
  await proxy.fault('stall', { dir: 'both', open: true });
  await write(pair.client, 'x');
  await write(pair.server, 'y');
  assert.deepEqual([text(pair.server), text(pair.client)], ['01234', 'the other way']);
  await proxy.clear();
  await Promise.all([has(pair.server, '01234x'), has(pair.client, 'the other wayy')]);
  assert.equal(await acted('stall'), 3);
  await ended(pair);
});

test('drip and delay: slowly, and late', async () => {
  await proxy.fault('drip', { bytes: 2, everyMs: 30, count: 1 });
  const slow = await connect();
  slow.server.socket.write('0123456789');
  await has(slow.client, '0123456789');
  const { chunks } = slow.client;
  assert.ok(chunks.length >= 3 && chunks.every((chunk) => chunk.bytes.length <= 6), 'in pieces');
  assert.ok(chunks.at(-1).at - chunks[0].at >= 60);
  await ended(slow);

  await proxy.fault('delay', { ms: 200, dir: 'both' });
  const late = await connect();
  const began = Date.now();
  late.client.socket.write('ping');
  await has(late.server, 'ping');
  late.server.socket.write('pong');
  await has(late.client, 'pong');
  assert.ok(Date.now() - began >= 390);
  assert.deepEqual([await acted('drip'), await acted('delay')], [1, 2]);
  await ended(late);
});

test('duplicate, swap and flip: a chunk twice, behind the next, with another bit', async () => {
  const cases = [['duplicate', 'aabbbbcc'], ['swap', 'aaccbb'], ['flip', 'aacbcc']];
  for (const [name, right] of cases) {
    await proxy.fault(name, { at: 2, dir: 'up', count: 1 });
    const pair = await connect();
    await write(pair.client, 'aa', 'bb', 'cc');
    await has(pair.server, right);
    assert.equal(await acted(name), 1);
    await ended(pair);
  }
});

test('no fault: every name of the table has been tried here', async () => {
  const names = Object.keys(await proxy.faults());
  const source = (await import('node:fs')).readFileSync(new URL(import.meta.url), 'utf8');
  assert.deepEqual(names.filter((name) => !source.includes(`'${name}'`)), []);
  await assert.rejects(proxy.fault('nothing'), /unknown fault/);
  await assert.rejects(proxy.fault('answer'), /--mode http/);
});

// ---- HTTP ----

async function startHttp() {
  const seen = [];
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    seen.push(Buffer.concat(parts).toString());
    response.end(`right: ${seen.at(-1)}`);
  });
  const port = await listen(server);
  const front = await startFaultProxy(port, { mode: 'http' });
  started.push(front.stop, () => { server.closeAllConnections(); server.close(); });
  return { server, seen, front };
}

async function post(front, body, ms = 5000) {
  const answer = await fetch(front.httpUrl, { method: 'POST', body, signal: AbortSignal.timeout(ms) });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

test('instead of the peer: any status, Retry-After, HTML, a giant length, chunks without an end', async () => {
  const { seen, front } = await startHttp();
  const call = (method) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] });
  assert.equal((await post(front, call('eth_chainId'))).text, `right: ${call('eth_chainId')}`);
  const cases = [
    { status: 429, headers: { 'retry-after': '3' } },
    { status: 429, headers: { 'retry-after': 'Wed, 21 Oct 2065 07:28:00 GMT' } },
    { status: 429, headers: { 'retry-after': '\u00fc-1e9x' } },
    { status: 502, body: 'Bad gateway' },
    { status: 503, headers: { 'x-who': 'a balancer' } },
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>please log in</html>' },
  ];
  for (const one of cases) {
    await front.fault('answer', { ...one, count: 1, match: 'eth_call' });
    assert.equal((await post(front, call('eth_chainId'))).status, 200);
    const got = await post(front, call('eth_call'));
    assert.equal(got.status, one.status);
    assert.equal(got.text, one.body ?? '');
    for (const name of Object.keys(one.headers ?? {})) assert.ok(got.headers.get(name));
  }
  assert.equal((await post(front, call('eth_call'))).text, `right: ${call('eth_call')}`);
  assert.equal(seen.filter((body) => body.includes('eth_call')).length, 1, 'the others never reached the peer');

  await front.fault('giant', { count: 1 });
  const giant = await fetch(front.httpUrl, { signal: AbortSignal.timeout(500) });
  assert.ok(Number(giant.headers.get('content-length')) > 1e17);
  await assert.rejects(giant.text());
  await front.fault('endless', { count: 1 });
  const endless = await fetch(front.httpUrl);
  let bytes = 0;
  for await (const part of endless.body) {
    bytes += part.length;
    if (bytes > 20_000_000) break;
  }
  assert.ok(bytes > 20_000_000);
  const stats = await front.stats();
  assert.deepEqual(stats.acted, { answer: 6, giant: 1, endless: 1 });
  assert.deepEqual(stats.calls, { eth_chainId: 7, eth_call: 7 });
  assert.equal(stats.requests, 16);
});

test('a request or its reply is cut after any of its bytes, the others are whole', async () => {
  const { seen, front } = await startHttp();
  const size = 'HTTP/1.1 200 OK\r\n'.length;
  for (const at of [0, 1, 60]) {
    await front.fault('cut_request', { at, match: 'two', count: 1 });
    assert.equal((await post(front, 'one')).text, 'right: one');
    await assert.rejects(post(front, 'two'));
    assert.deepEqual(seen.splice(0), ['one'], 'the other never came whole');
  }
  for (const at of [0, 1, size]) {
    await front.fault('cut_reply', { at, match: 'two', count: 1 });
    assert.equal((await post(front, 'one')).text, 'right: one');
    await assert.rejects(post(front, 'two'));
    assert.deepEqual(seen.splice(0), ['one', 'two'], 'both came whole');
  }
  assert.equal((await post(front, 'two')).text, 'right: two');
  const { acted, metBytes } = await front.stats();
  assert.deepEqual([acted.cut_request, acted.cut_reply], [3, 3]);
  assert.ok(metBytes > 60 && metBytes < 1000, `${metBytes} bytes of a request`);
});

test('requests that come in pieces and together are told apart', async () => {
  const { seen, front } = await startHttp();
  const client = watch(net.connect({ host: '127.0.0.1', port: front.port, noDelay: true }));
  started.push(() => client.socket.destroy());
  const request = (body) => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const all = request('one') + request('two') + request('three');
  await front.fault('answer', { status: 503, match: 'two', count: 1 });
  const at = all.indexOf('two') + 1;
  for (const part of [all.slice(0, 9), all.slice(9, at)]) {
    client.socket.write(part);
    await until('the first is answered, or not yet', () => part.length === 9 || text(client).includes('right: one'));
  }
  client.socket.write(all.slice(at));
  await until('all three are answered', () => text(client).includes('503') && text(client).includes('right: three'));
  assert.deepEqual(seen, ['one', 'three']);
  const chunked = await fetch(front.httpUrl, {
    method: 'POST', duplex: 'half', body: new Blob(['in ', 'chunks']).stream(),
  });
  assert.equal(await chunked.text(), 'right: in chunks', 'what is not followed passes');
});

// ---- WebSocket ----

test('a WebSocket gets frames between those of its peer', async () => {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (m) => socket.send(`right: ${m}`)));
  const front = await startFaultProxy(await listen(server), { mode: 'http' });
  started.push(front.stop, () => { sockets.close(); server.closeAllConnections(); server.close(); });

  const open = async () => {
    const self = { messages: [], pings: 0, socket: new WebSocket(front.wsUrl, { maxPayload: 100_000 }) };
    self.socket.on('message', (m) => self.messages.push(m.toString()));
    self.socket.on('ping', () => { self.pings++; });
    self.socket.on('error', (e) => { self.error = e.message; });
    self.socket.on('close', () => { self.closed = true; });
    await until('it is open', () => self.socket.readyState === WebSocket.OPEN);
    started.push(() => self.socket.terminate());
    return self;
  };
  const talks = async (one, what) => {
    one.socket.send(what);
    await until(`it answers ${what.slice(0, 20)}`, () => one.messages.at(-1) === `right: ${what}`);
  };

  const one = await open();
  await talks(one, 'hello');
  assert.deepEqual(await front.fault('ws_frame', { body: '{"injected":true}' }), { met: 1 });
  await until('the frame comes', () => one.messages.at(-1) === '{"injected":true}');
  await talks(one, 'x'.repeat(200));
  await front.fault('ws_pings', { frames: 500 });
  await until('the pings come', () => one.pings === 500);
  await talks(one, 'y'.repeat(70_000));
  await front.fault('ws_fragments', { frames: 50, bytes: 10 });
  one.socket.send('more');
  await until('a message inside another is an error', () => one.closed);
  assert.ok(one.error);

  const two = await open();
  await talks(two, 'hello');
  await front.fault('ws_giant');
  await until('it is too big', () => two.closed);
  assert.match(two.error, /payload/i);
  assert.deepEqual(await front.fault('ws_giant'), { met: 0 });
  assert.deepEqual((await front.stats()).acted, { ws_giant: 1, ws_fragments: 1, ws_pings: 1, ws_frame: 1 });
});

// ---- HTTP/2 ----

test('HTTP/2 gets GOAWAY, and RST_STREAM of a call that waits', async () => {
  const core = await startFakeCore({ delayMs: 60000 });
  const front = await startFaultProxy(core.port, { mode: 'h2' });
  const client = coreClient(`http://127.0.0.1:${front.port}`);
  started.push(core.stop, front.stop, () => client.close());
  const codeOf = (promise) => promise.then(() => 'OK', (e) => Object.keys(status)[e.code]);
  const id = '0'.repeat(63);
  const result = (n) => codeOf(client.call('GetCrsGenResult', { request_id: `${id}${n}` }));
  const domain = {
    name: 'HTTPZ', version: '1', chain_id: Buffer.alloc(32), verifying_contract: `0x${'0'.repeat(40)}`,
  };
  await core.control({ op: 'set', longPollMs: 30000 });
  assert.equal(await codeOf(client.call('CrsGen', { request_id: { request_id: `${id}1` }, domain })), 'OK');
  const waiting = result(1);
  await until('the call waits', async () => (await core.stats()).waiting === 1);
  assert.deepEqual(await front.fault('h2_reset', { code: 8 }), { met: 1 });
  assert.equal(await waiting, 'CANCELLED');
  await until('the Core was told too', async () => (await core.stats()).waiting === 0);
  assert.equal(await result(2), 'NOT_FOUND', 'the connection lives');

  assert.equal((await front.stats()).connections, 1);
  assert.deepEqual(await front.fault('h2_goaway', { body: 'too_many_pings' }), { met: 1 });
  await until('calls go on, on another connection', async () => {
    return await result(2) === 'NOT_FOUND' && (await front.stats()).connections >= 2;
  });
  assert.deepEqual((await front.stats()).acted, { h2_goaway: 1, h2_reset: 1 });
});
