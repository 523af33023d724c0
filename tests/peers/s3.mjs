/*
 * s3 - a storage server that verifies: each AWS Signature Version 4 is computed again from the
 * request as it came, with node's own crypto, and any difference is answered as S3 does.
 *
 * Buckets are reached in path style (HOST/BUCKET/KEY) and as virtual hosts (BUCKET.DOMAIN/KEY).
 * Without a signature only buckets that are public give anything.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import { keyOf } from './bucket.mjs';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();

/* RFC 3986, as the signature wants it: everything but unreserved characters, in capitals. */
function encode(text) {
  return [...Buffer.from(text, 'utf8')].map((c) => {
    const char = String.fromCharCode(c);
    return /[A-Za-z0-9_.~-]/.test(char) ? char : `%${c.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

function canonicalQuery(search) {
  return search.split('&').filter(Boolean).map((part) => {
    const [name, value = ''] = part.split(/=(.*)/s);
    return [encode(decodeURIComponent(name)), encode(decodeURIComponent(value))];
  }).sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1)).map((p) => p.join('=')).join('&');
}

/**
 * What is wrong with the signature of a request (an error code of S3), or null.
 * `request`: { method, url, headers (lower-case names), body }; `keys`: { ID: { secret, token } }.
 */
export function checkSignature(request, { region, keys, now = Date.now() }) {
  const { method, url, headers, body = '' } = request;
  const parts = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/
    .exec(headers.authorization);
  if (!parts) return 'AuthorizationHeaderMalformed';
  const [, credential, signedNames, signature] = parts;
  const [id, day, scopeRegion, service, end] = credential.split('/');
  const stamp = headers['x-amz-date'] ?? '';
  const at = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp);
  if (!at || day !== stamp.slice(0, 8) || scopeRegion !== region || service !== 's3' || end !== 'aws4_request') {
    return 'AuthorizationHeaderMalformed';
  }
  if (Math.abs(Date.UTC(at[1], at[2] - 1, at[3], at[4], at[5], at[6]) - now) > 15 * 60 * 1000) return 'RequestTimeTooSkewed';
  if (!keys[id]) return 'InvalidAccessKeyId';
  if ((keys[id].token ?? '') !== (headers['x-amz-security-token'] ?? '')) return 'InvalidToken';

  const names = signedNames.split(';');
  const needed = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  if (names.join() !== [...names].sort().join() || names.some((name) => headers[name] === undefined)
    || needed.some((name) => !names.includes(name))) return 'AccessDenied';
  const hash = headers['x-amz-content-sha256'];
  if (!hash) return 'MissingContentSHA256';
  if (hash !== 'UNSIGNED-PAYLOAD' && hash !== sha256(body)) return 'XAmzContentSHA256Mismatch';

  const [path, query = ''] = url.split(/\?(.*)/s);
  const canonical = [
    method,
    path.split('/').map((segment) => encode(decodeURIComponent(segment))).join('/'),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headers[name].trim().replace(/ +/g, ' ')}`), '',
    signedNames,
    hash,
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', stamp, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce(hmac, `AWS4${keys[id].secret}`);
  return timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex')) ? null : 'SignatureDoesNotMatch';
}

const statusOf = { AuthorizationHeaderMalformed: 400, InvalidToken: 400, MissingContentSHA256: 400, NoSuchKey: 404, NoSuchBucket: 404 };

/**
 * Starts it in this process.  Options: buckets (names), domain (of virtual hosts, without a
 * port), region, keys.  The handle: port, keys and open (a set of public buckets), both to be
 * changed at will; put(bucket, body) -> digest; seen: [{ host, bucket, key, id (of the signature,
 * or null), status, code }] of each request; stop().
 */
export async function startS3({ buckets, domain, region = 'us-east-1', keys = {} }) {
  const stores = new Map(buckets.map((name) => [name, new Map()]));
  const handle = { keys, open: new Set(), seen: [] };

  /* Bucket and key of a request, in either style. */
  function placeOf({ url, headers }) {
    const path = decodeURIComponent(url.split('?')[0]).slice(1);
    const host = headers.host.replace(/:\d+$/, '');
    if (host.endsWith(`.${domain}`)) return [host.slice(0, -domain.length - 1), path];
    return path.split(/\/(.*)/s);
  }

  /* An error code, or null and the body. */
  function judge(request, bucket, key) {
    if (request.headers.authorization) {
      const wrong = checkSignature(request, { region, keys: handle.keys });
      if (wrong) return [wrong];
    } else if (!handle.open.has(bucket)) {
      return ['AccessDenied'];
    }
    if (!stores.has(bucket)) return ['NoSuchBucket'];
    const body = stores.get(bucket).get(key);
    return body ? [null, body] : ['NoSuchKey'];
  }

  const server = http.createServer({ keepAliveTimeout: 60000 }, (request, response) => {
    const [bucket, key = ''] = placeOf(request);
    const [code, body] = judge(request, bucket, key);
    const status = code ? (statusOf[code] ?? 403) : 200;
    const id = /Credential=([^/,]+)/.exec(request.headers.authorization ?? '')?.[1] ?? null;
    handle.seen.push({ host: request.headers.host, bucket, key, id, status, code });
    const answer = body ?? Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`);
    response.writeHead(status, { 'content-length': answer.length });
    response.end(answer);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  handle.port = server.address().port;
  handle.put = (bucket, body) => {
    stores.get(bucket).set(keyOf(body), body);
    return `0x${keyOf(body)}`;
  };
  handle.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return handle;
}
