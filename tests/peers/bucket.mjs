/*
 * bucket - the storage of the coprocessors as a test peer: S3 in path style over plain HTTP,
 * with faults on request.
 *
 * GET /BUCKET/KEY, where KEY is the keccak256 of the body as 64 lower-case hex digits.  Bodies are
 * kept in memory, or in a complete S3 server (store: 's3rver') that stands behind the faults.
 *
 * As a program:  node tests/peers/bucket.mjs --port 0 --buckets ct128 [--store s3rver]
 * prints one JSON line when ready: {"port":..}.  As a module: startBucket(options), either in this
 * process or as a process of its own; the handle is the same.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { keccak256 } from 'ethers';
import { freePort, readyLine, start, temporaryDir } from './process.mjs';

const errors = {
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  AccessDenied: [403, 'Access Denied'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  SlowDown: [503, 'Please reduce your request rate.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
};
const codeOf = { 403: 'AccessDenied', 404: 'NoSuchKey', 500: 'InternalError', 503: 'SlowDown' };

/** The key under which a body is stored. */
export function keyOf(body) {
  return keccak256(body).slice(2);
}

/* The server itself.  `backing` is null, or a complete S3 server. */
function makeBucket({ buckets, hideMissing = false, backing = null }) {
  const stores = new Map(buckets.map((b) => [b, new Map()]));
  const faults = new Map(); /* "bucket/key", "bucket/*", "key" or "*" -> fault */
  let stats;

  function resetStats() {
    stats = { gets: 0, puts: 0, bytes: 0, active: 0, activePeak: 0, statuses: {}, buckets: {}, keys: {} };
  }
  resetStats();

  function refuse(response, name, resource, status = errors[name][0]) {
    stats.statuses[status] = (stats.statuses[status] ?? 0) + 1;
    const text = '<?xml version="1.0" encoding="UTF-8"?>\n'
      + `<Error><Code>${name}</Code><Message>${errors[name][1]}</Message><Resource>${resource}</Resource></Error>`;
    response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  }

  function give(request, response, body, length = body.length) {
    stats.statuses[200] = (stats.statuses[200] ?? 0) + 1;
    stats.bytes += body.length;
    response.writeHead(200, {
      'content-type': 'binary/octet-stream',
      'content-length': length,
      etag: `"${createHash('md5').update(body.subarray(0, 64)).digest('hex')}"`,
      'accept-ranges': 'bytes',
    });
    if (request.method === 'HEAD') return response.end();
    if (length === body.length) return response.end(body);
    return response.write(body, () => setImmediate(() => response.destroy()));
  }

  /* Each fault once: what it does instead of an answer, or with the right body. */
  const acts = {
    status: (f, q, r) => refuse(r, codeOf[f.status] ?? 'InternalError', q.url, f.status),
    redirect: (f, q, r) => {
      r.writeHead(302, { location: f.to ?? `http://${q.headers.host}${q.url}?again`, 'content-length': 0 });
      r.end();
    },
    hang: () => {},
    reset: (f, q, r) => r.socket.resetAndDestroy(),
    wrong: (f, q, r, body) => {
      const other = Buffer.from(body);
      other[f.at ?? 0] ^= 1;
      give(q, r, other);
    },
    empty: (f, q, r) => give(q, r, Buffer.alloc(0)),
    truncated: (f, q, r, body) => give(q, r, body.subarray(0, f.bytes ?? body.length >> 1), body.length),
    announced: (f, q, r, body) => give(q, r, body, f.bytes ?? 67 * 1024 * 1024),
    endless: (f, q, r) => {
      r.writeHead(200, { 'content-type': 'binary/octet-stream' });
      const chunk = Buffer.alloc(65536, 0x5a);
      const more = () => {
        while (!r.destroyed && r.write(chunk)) stats.bytes += chunk.length;
        if (!r.destroyed) r.once('drain', more);
      };
      more();
    },
    drip: (f, q, r, body) => {
      const { bytes = 16, everyMs = 100 } = f;
      let at = 0;
      r.writeHead(200, { 'content-type': 'binary/octet-stream', 'content-length': body.length });
      const timer = setInterval(() => {
        r.write(body.subarray(at, at + bytes));
        at += bytes;
        if (at >= body.length) {
          clearInterval(timer);
          r.end();
        }
      }, everyMs);
      r.on('close', () => clearInterval(timer));
    },
    delay: (f, q, r, body) => setTimeout(give, f.ms ?? 1000, q, r, body),
  };

  function findFault(bucket, key) {
    for (const where of [`${bucket}/${key}`, key, `${bucket}/*`, '*']) {
      const f = faults.get(where);
      if (!f) continue;
      if (f.count && --f.count === 0) faults.delete(where);
      return f;
    }
    return null;
  }

  async function readAll(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts);
  }

  const self = {
    put(body, into = buckets) {
      const key = keyOf(body);
      for (const b of into) stores.get(b).set(key, body);
      return `0x${key}`;
    },
    /** Takes a body out of one bucket, or of all. */
    remove: ({ digest, bucket }) => {
      for (const b of bucket ? [bucket] : buckets) stores.get(b).delete(digest.replace(/^0x/, ''));
      return {};
    },
    fault: ({ where, ...what }) => {
      if (!acts[what.kind]) throw new Error(`unknown fault: ${what.kind}`);
      faults.set(where.replace('0x', ''), what);
      return {};
    },
    clear: () => {
      faults.clear();
      return {};
    },
    /** Counts; with {keys: true} also how often each key was asked for. */
    stats: ({ keys } = {}) => {
      const stored = Math.max(...[...stores.values()].map((s) => s.size));
      return { ...stats, stored, keys: keys ? stats.keys : undefined };
    },
    resetStats: () => {
      resetStats();
      return {};
    },
  };

  async function control(request, response) {
    let code = 200;
    let body;
    try {
      const { op, ...rest } = JSON.parse((await readAll(request)).toString('utf8'));
      body = self[op](rest);
    } catch (e) {
      code = 400;
      body = { error: e.message };
    }
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  async function onRequest(request, response) {
    const pathname = request.url.split('?')[0];
    if (request.method === 'POST' && pathname === '/_control') return control(request, response);
    const [, bucket, key] = /^\/([^/]+)\/([^/]+)$/.exec(pathname) ?? [null, pathname.slice(1), ''];
    if (request.method === 'PUT') {
      stats.puts++;
      const body = await readAll(request);
      const into = request.headers['x-buckets']?.split(',') ?? [bucket];
      const digest = self.put(body, into);
      if (backing) for (const b of into) await backing.put(b, digest.slice(2), body);
      response.writeHead(200, { 'content-length': 0, 'x-digest': digest });
      return response.end();
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(response, 'MethodNotAllowed', pathname);
    }
    stats.gets++;
    stats.activePeak = Math.max(stats.activePeak, ++stats.active);
    response.on('close', () => stats.active--);
    stats.buckets[bucket] = (stats.buckets[bucket] ?? 0) + 1;
    stats.keys[key] = (stats.keys[key] ?? 0) + 1;
    const body = stores.get(bucket)?.get(key);
    const fault = findFault(bucket, key);
    if (fault) return acts[fault.kind](fault, request, response, body ?? Buffer.alloc(0));
    if (backing) return backing.handle(request, response);
    if (!stores.has(bucket)) return refuse(response, 'NoSuchBucket', pathname);
    if (!body) return refuse(response, hideMissing ? 'AccessDenied' : 'NoSuchKey', pathname);
    return give(request, response, body);
  }

  return { self, onRequest };
}

/* A complete S3 server whose buckets lie in a directory, on a port of its own for what is put. */
async function makeBacking(buckets) {
  const { default: S3rver } = await import('s3rver');
  const server = new S3rver({
    silent: true,
    address: '127.0.0.1',
    port: 0,
    directory: temporaryDir('bucket'),
    configureBuckets: buckets.map((name) => ({ name })),
  });
  const { port } = await server.run();
  return {
    handle: server.callback(),
    put: async (bucket, key, body) => {
      const answer = await fetch(`http://127.0.0.1:${port}/${bucket}/${key}`, { method: 'PUT', body });
      if (answer.status !== 200) throw new Error(`S3 server: ${answer.status} ${await answer.text()}`);
    },
  };
}

async function serve({ port = 0, buckets = ['ct128'], hideMissing, store }) {
  const backing = store === 's3rver' ? await makeBacking(buckets) : null;
  const { self, onRequest } = makeBucket({ buckets, hideMissing, backing });
  const server = http.createServer({ keepAliveTimeout: 60000, noDelay: true }, (request, response) => {
    onRequest(request, response).catch(() => response.destroy());
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return { self, server, port: server.address().port };
}

/**
 * Starts the storage.  Options: port, buckets (names), process (a process of its own), store
 * ('s3rver'), hideMissing (a missing key is 403, as where listing is forbidden).
 * The handle: port, url(bucket), put(body[, buckets]) -> digest, remove(digest[, bucket]),
 * fault(where, kind[, more]), clear(), stats([{keys}]), resetStats(), stop(); with a process also pid,
 * kill(), restart() on the same port (bodies are lost), pause(), resume().
 * `where` is a digest, "bucket/digest", "bucket/*" or "*"; kinds: status {status}, redirect {to},
 * hang, reset, wrong {at}, empty, truncated {bytes}, announced {bytes}, endless,
 * drip {bytes, everyMs}, delay {ms}; each with an optional {count}.
 */
export async function startBucket(options = {}) {
  const buckets = options.buckets ?? ['ct128'];
  const handle = { buckets };
  let control;

  handle.url = (bucket = buckets[0]) => `http://127.0.0.1:${handle.port}/${bucket}`;
  if (options.process || options.store) {
    handle.port = options.port || (await freePort());
    const words = [fileURLToPath(import.meta.url), '--port', handle.port, '--buckets', buckets.join(',')];
    if (options.hideMissing) words.push('--hide-missing');
    if (options.store) words.push('--store', options.store);
    const launch = async () => {
      handle.proc = start(process.execPath, words.map(String), { output: 'pipe' });
      handle.pid = handle.proc.pid;
      await readyLine(handle.proc);
    };
    await launch();
    const send = async (to, method, body, headers = {}) => {
      const answer = await fetch(to, { method, body, headers });
      const text = await answer.text();
      if (answer.status !== 200) throw new Error(`bucket: ${answer.status} ${text}`);
      return { answer, text };
    };
    control = async (op, rest = {}) => {
      const { text } = await send(`http://127.0.0.1:${handle.port}/_control`, 'POST', JSON.stringify({ op, ...rest }));
      return JSON.parse(text);
    };
    handle.put = async (body, into = buckets) => {
      const { answer } = await send(`${handle.url()}/new`, 'PUT', body, { 'x-buckets': into.join(',') });
      return answer.headers.get('x-digest');
    };
    handle.pause = () => handle.proc.signal('SIGSTOP');
    handle.resume = () => handle.proc.signal('SIGCONT');
    handle.kill = () => handle.proc.kill();
    handle.restart = async () => {
      await handle.proc.kill();
      await launch();
    };
    handle.stop = () => handle.proc.kill();
  } else {
    const { self, server, port } = await serve({ ...options, buckets });
    handle.port = port;
    control = async (op, rest = {}) => self[op](rest);
    handle.put = async (body, into) => self.put(Buffer.from(body), into);
    handle.stop = async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
  }
  handle.remove = (digest, bucket) => control('remove', { digest, bucket });
  handle.fault = (where, kind, more = {}) => control('fault', { where, kind, ...more });
  handle.clear = () => control('clear');
  handle.stats = (more) => control('stats', more);
  handle.resetStats = () => control('resetStats');
  return handle;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      buckets: { type: 'string', default: 'ct128' },
      store: { type: 'string' },
      'hide-missing': { type: 'boolean' },
    },
  });
  const { port } = await serve({
    port: Number(values.port),
    buckets: values.buckets.split(','),
    store: values.store,
    hideMissing: values['hide-missing'],
  });
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}
