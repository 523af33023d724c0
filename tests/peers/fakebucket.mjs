/*
 * fakebucket - the fast storage (tests/peers/fakebucket/): what bucket.mjs does, from C, and
 * bodies made from a seed, which need neither memory nor disk.
 */
import { startFake } from './fake.mjs';
import { freePort } from './process.mjs';

function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The body that the storage makes from a seed: that of this index, `size` bytes. */
export function bodyOf(seed, index, size) {
  const base = mix((seed ^ mix(index + 1)) >>> 0);
  const body = Buffer.alloc(Math.ceil(size / 4) * 4);
  for (let i = 0; i * 4 < size; i++) body.writeUInt32LE(mix((base + Math.imul(i, 0x9e3779b9)) >>> 0), i * 4);
  return body.subarray(0, size);
}

/**
 * Starts the storage.  Options: port, buckets (names), hideMissing.  The handle is that of
 * startBucket() in a process of its own, with seed({seed, count, first, size, buckets}) besides,
 * which gives the digests; kinds of faults stand in fakebucket/store.h.
 */
export async function startFakeBucket(options = {}) {
  const buckets = options.buckets ?? ['ct128'];
  const words = ['--port', options.port || (await freePort()), '--control-port', await freePort(),
    '--buckets', buckets.join(',')];
  if (options.hideMissing) words.push('--hide-missing');
  const self = await startFake('fakebucket', words);
  self.buckets = buckets;
  self.url = (bucket = buckets[0]) => `http://127.0.0.1:${self.port}/${bucket}`;
  self.put = async (body, into = buckets) => {
    const answer = await fetch(`${self.url()}/new`, { method: 'PUT', body, headers: { 'x-buckets': into.join(',') } });
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`fakebucket: ${answer.status}`);
    return answer.headers.get('x-digest');
  };
  self.seed = async (what) => (await self.control({ op: 'seed', ...what })).digests;
  self.remove = (digest, bucket) => self.control({ op: 'remove', digest, bucket });
  self.fault = (where, kind, more = {}) => self.control({ op: 'fault', where, kind, ...more });
  self.clear = () => self.control({ op: 'clear' });
  self.stats = (more) => self.control({ op: 'stats', ...more });
  self.resetStats = () => self.control({ op: 'resetStats' });
  return self;
}
