/*
 * faultproxy - the proxy with faults (tests/peers/faultproxy/).  Its surface is that of
 * tcpproxy.mjs as far as another process allows: everything gives a promise, and counts come by
 * stats().
 */
import { startFake } from './fake.mjs';
import { freePort } from './process.mjs';

/**
 * Starts a proxy to 127.0.0.1:target (a port).  Options: port, mode ('tcp', 'http' or 'h2').
 * Methods: fault(name, {dir, open, skip, count, match, headers, body, ..numbers}) by the table in
 * faultproxy/proxy.h, clear() ends all faults, forward() also listens again, drop(), refuse(),
 * silent(), delay(ms), cutAfter(bytes), stats(), resetStats(), open().
 */
export async function startFaultProxy(target, { port, mode = 'tcp' } = {}) {
  const words = ['--target', target, '--mode', mode, '--port', port || (await freePort()),
    '--control-port', await freePort()];
  const self = await startFake('faultproxy', words);
  self.target = target;
  self.httpUrl = `http://127.0.0.1:${self.port}`;
  self.wsUrl = `ws://127.0.0.1:${self.port}`;
  self.fault = (name, { headers = {}, ...more } = {}) => {
    const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}\r\n`).join('');
    return self.control({ op: 'fault', name, headers: lines, ...more });
  };
  for (const op of ['clear', 'forward', 'drop', 'refuse', 'stats', 'resetStats', 'faults']) {
    self[op] = () => self.control({ op });
  }
  self.silent = async () => {
    await self.fault('blackhole');
    await self.fault('stall', { dir: 'both', open: true });
  };
  self.delay = (ms) => self.fault('delay', { ms, dir: 'both', open: true });
  self.cutAfter = (bytes) => self.fault('reset', { at: bytes });
  self.open = async () => (await self.stats()).open;
  return self;
}
