/*
 * fakecore - the fast KMS Core (tests/peers/fakecore/): answers what core.mjs answers, and takes
 * the same words on its control port, which fakecore/main.c lists.
 */
import { Wallet } from 'ethers';
import { startFake } from './fake.mjs';
import { freePort } from './process.mjs';

/**
 * Runs a Core.  Options: key (hex), port, delayMs, longPollMs, mode ("centralized"), types
 * ("2025-04").  The handle is that of startCore(), with ledger(kind) besides: for each id how
 * often it was started, how often its result was asked for and how often given.
 */
export async function startFakeCore(options = {}) {
  const key = options.key ?? Wallet.createRandom().privateKey;
  const words = ['--key', key, '--port', options.port || (await freePort()), '--control-port', await freePort()];
  if (options.delayMs !== undefined) words.push('--delay-ms', options.delayMs);
  if (options.longPollMs !== undefined) words.push('--long-poll-ms', options.longPollMs);
  if (options.mode) words.push('--mode', options.mode);
  if (options.types && options.types !== 'today') words.push('--types', options.types);
  const self = await startFake('fakecore', words);
  Object.assign(self, { key, endpoint: `http://127.0.0.1:${self.port}` });
  self.stats = () => self.control({ op: 'stats' });
  self.finish = () => self.control({ op: 'finish' });
  self.forget = () => self.control({ op: 'forget' });
  self.ledger = (kind) => self.control({ op: 'ledger', kind });
  return self;
}
