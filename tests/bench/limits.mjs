/*
 * limits - the unit prices of this machine, measured now, and what one answer would cost if it were
 * nothing but its parts.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { startFakeBucket } from '../peers/fakebucket.mjs';
import { fakes } from '../peers/fake.mjs';
import { startFakeCore } from '../peers/fakecore.mjs';
import { removeDir, temporaryDir } from '../peers/process.mjs';

/** Names of prices, as the program gives them, and what they are. */
export const prices = {
  sign: 'ECDSA signature', recover: 'ECDSA recovery', keccak_kib: 'keccak, per KiB', sqlite_row: 'SQLite row, commits included',
  hop: 'packet between processes', grpc_call: 'gRPC call', http_request: 'HTTP request of 4 KiB',
};

/** Measures them: { sign: microseconds, .., syncs_per_s, grpc_calls_per_s, signatures_per_s }. */
export async function measureLimits() {
  const dir = temporaryDir('kms-limits');
  const [core, bucket] = await Promise.all([startFakeCore(), startFakeBucket()]);
  try {
    const [digest] = await bucket.seed({ seed: 1, count: 1, size: 4096 });
    const { stdout } = await promisify(execFile)(path.join(fakes, 'limits'), [
      '--dir', dir, '--core', core.endpoint.slice('http://'.length), '--url', `${bucket.url()}/${digest.slice(2)}`,
    ]);
    return JSON.parse(stdout);
  } finally {
    await Promise.all([core.stop(), bucket.stop()]);
    if (fs.existsSync(dir)) removeDir(dir);
  }
}

/*
 * What one public decryption with one material of 4 KiB is made of: process, price, how often.
 * The event, the call and the transaction are hashed besides the body: about a KiB each time.
 */
const parts = [
  ['kms-listener', 'hop', 1],
  ['kms-executor', 'hop', 5], ['kms-executor', 'http_request', 1], ['kms-executor', 'keccak_kib', 6],
  ['kms-executor', 'grpc_call', 2], ['kms-executor', 'recover', 1], ['kms-executor', 'sqlite_row', 6],
  ['kms-submitter', 'hop', 6], ['kms-submitter', 'http_request', 1 / 4],
  ['kms-signer', 'hop', 2], ['kms-signer', 'recover', 1], ['kms-signer', 'sign', 1], ['kms-signer', 'keccak_kib', 3],
];

/** The sum of unit prices of one answer: { by: { process: microseconds }, sum }. */
export function sumOfParts(unit) {
  const by = {};
  for (const [name, price, times] of parts) by[name] = (by[name] ?? 0) + times * unit[price];
  return { by, sum: Object.values(by).reduce((a, b) => a + b, 0) };
}
