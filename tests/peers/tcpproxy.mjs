/*
 * tcpproxy - stands in front of any peer and spoils the connection on request.
 *
 * It forwards bytes, drops connections, refuses new ones, falls silent or slows down, and can
 * count the JSON-RPC calls that pass: in HTTP bodies and in WebSocket text frames.
 */
import net from 'node:net';
import { freePort } from './process.mjs';

/* Reads one direction of a connection and calls `on` for each JSON text found in it. */
function sniffer(on) {
  let rest = Buffer.alloc(0);
  let webSocket = false;
  let fragments = [];

  function json(bytes) {
    try {
      on(JSON.parse(bytes.toString('utf8')));
    } catch {
      /* not JSON: nothing to count */
    }
  }

  /* Length of the first complete message in `rest`, 0 if it is not complete. */
  function takeHttp() {
    const head = rest.indexOf('\r\n\r\n');
    if (head < 0) return 0;
    const text = rest.subarray(0, head).toString('latin1');
    if (/^upgrade:\s*websocket/im.test(text)) {
      webSocket = true;
      return head + 4;
    }
    if (/^transfer-encoding:.*chunked/im.test(text)) {
      const parts = [];
      let at = head + 4;
      for (;;) {
        const line = rest.indexOf('\r\n', at);
        if (line < 0) return 0;
        const size = parseInt(rest.subarray(at, line).toString('latin1'), 16);
        if (!(size >= 0) || rest.length < line + 4 + size) return 0;
        if (size === 0) {
          json(Buffer.concat(parts));
          return line + 4;
        }
        parts.push(rest.subarray(line + 2, line + 2 + size));
        at = line + 4 + size;
      }
    }
    const length = Number(/^content-length:\s*(\d+)/im.exec(text)?.[1] ?? 0);
    if (rest.length < head + 4 + length) return 0;
    if (length) json(rest.subarray(head + 4, head + 4 + length));
    return head + 4 + length;
  }

  function takeFrame() {
    if (rest.length < 2) return 0;
    let at = 2;
    let length = rest[1] & 127;
    if (length === 126) {
      if (rest.length < 4) return 0;
      length = rest.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (rest.length < 10) return 0;
      length = Number(rest.readBigUInt64BE(2));
      at = 10;
    }
    const masked = (rest[1] & 128) !== 0;
    if (masked) at += 4;
    if (rest.length < at + length) return 0;
    const body = Buffer.from(rest.subarray(at, at + length));
    if (masked) for (let i = 0; i < length; i++) body[i] ^= rest[at - 4 + (i & 3)];
    if ((rest[0] & 15) < 8) fragments.push(body);
    if (rest[0] & 128 && (rest[0] & 15) < 8) {
      json(Buffer.concat(fragments));
      fragments = [];
    }
    return at + length;
  }

  return (chunk) => {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    for (;;) {
      const used = webSocket ? takeFrame() : takeHttp();
      if (!used) return;
      rest = rest.subarray(used);
    }
  };
}

/**
 * Starts a proxy to 127.0.0.1:target (a port).  Options: port (0 = a free one), countRpc,
 * onCall (a function that sees each JSON-RPC call).
 * Methods: forward() back to normal, drop() closes all connections now, refuse() closes all and
 * listens no more, silent() keeps and accepts connections but moves no byte, delay(ms) holds each
 * chunk for that long, cutAfter(bytes) breaks each connection after so many bytes of answers.
 * `calls` maps a JSON-RPC method to how often it passed; `connections` counts accepted ones.
 */
export async function startProxy(target, { port: wanted = 0, countRpc = false, onCall } = {}) {
  const port = wanted || (await freePort());
  const pairs = new Set();
  const waiting = new Set(); /* accepted while silent: not yet connected to the peer */
  const self = { port, target, mode: 'forward', calls: {}, connections: 0, bytesIn: 0, bytesOut: 0 };
  let delayMs = 0;
  let cut = Infinity;
  let server = null;

  self.httpUrl = `http://127.0.0.1:${port}`;
  self.wsUrl = `ws://127.0.0.1:${port}`;

  function count(message) {
    for (const one of Array.isArray(message) ? message : [message]) {
      if (typeof one?.method !== 'string') continue;
      self.calls[one.method] = (self.calls[one.method] ?? 0) + 1;
      if (onCall) onCall(one);
    }
  }

  function move(from, to, seen) {
    from.on('data', (chunk) => {
      seen(chunk);
      const pass = () => {
        if (!to.destroyed && !to.write(chunk)) {
          from.pause();
          to.once('drain', () => self.mode !== 'silent' && from.resume());
        }
      };
      if (delayMs) setTimeout(pass, delayMs);
      else pass();
    });
    from.on('end', () => (delayMs ? setTimeout(() => to.end(), delayMs) : to.end()));
  }

  function connect(client) {
    waiting.delete(client);
    if (client.destroyed) return;
    const peer = net.connect({ host: '127.0.0.1', port: self.target, noDelay: true });
    const pair = { client, peer };
    const over = () => {
      pairs.delete(pair);
      client.destroy();
      peer.destroy();
    };
    let answered = 0;
    pairs.add(pair);
    const look = countRpc ? sniffer(count) : null;
    move(client, peer, (chunk) => {
      self.bytesIn += chunk.length;
      if (look) look(chunk);
    });
    move(peer, client, (chunk) => {
      self.bytesOut += chunk.length;
      answered += chunk.length;
      if (answered > cut) over();
    });
    for (const s of [client, peer]) {
      s.on('error', over);
      s.on('close', over);
    }
    client.resume();
  }

  function listen() {
    return new Promise((resolve, reject) => {
      server = net.createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (client) => {
        self.connections++;
        client.on('error', () => client.destroy());
        if (self.mode === 'silent') {
          waiting.add(client);
          client.once('close', () => waiting.delete(client));
        } else {
          connect(client);
        }
      });
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }

  self.forward = async () => {
    self.mode = 'forward';
    delayMs = 0;
    cut = Infinity;
    if (!server) await listen();
    for (const { client, peer } of pairs) {
      client.resume();
      peer.resume();
    }
    for (const client of [...waiting]) connect(client);
  };
  self.drop = () => {
    for (const { client, peer } of [...pairs]) {
      /* A reset while its end is being sent fails, and node 20 then never ends. */
      if (client.writableEnded) client.destroy();
      else client.resetAndDestroy();
      peer.destroy();
    }
    for (const client of [...waiting]) client.resetAndDestroy();
  };
  self.refuse = async () => {
    self.mode = 'refuse';
    const closing = server;
    server = null;
    if (closing) {
      const closed = new Promise((resolve) => closing.close(resolve));
      self.drop();
      await closed;
    }
  };
  self.silent = () => {
    self.mode = 'silent';
    for (const { client, peer } of pairs) {
      client.pause();
      peer.pause();
    }
  };
  self.delay = (ms) => {
    delayMs = ms;
  };
  self.cutAfter = (bytes) => {
    cut = bytes;
  };
  self.resetCounts = () => {
    self.calls = {};
    self.connections = 0;
    self.bytesIn = 0;
    self.bytesOut = 0;
  };
  self.open = () => pairs.size;
  self.stop = () => self.refuse();

  await listen();
  return self;
}
