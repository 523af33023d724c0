/*
 * fake - what the starters of the fast peers (fakecore, fakebucket, faultproxy) share: a program
 * built by `make peers`, and its control port, which takes JSON lines.
 */
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readyLine, start } from './process.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Where the built peers lie. */
export const fakes = process.env.KMS_PEERS ?? path.join(root, 'build', 'test');

/** One message to a control port of 127.0.0.1; what it answers, or an error. */
export function control(port, message, who = 'peer') {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    const parts = [];
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${who} control: it went without an answer`)));
    socket.on('data', (part) => {
      parts.push(part);
      if (part[part.length - 1] !== 10) return;
      socket.destroy();
      const answer = JSON.parse(Buffer.concat(parts).toString('utf8'));
      if (answer.error) reject(new Error(`${who} control: ${answer.error}`));
      else resolve(answer);
    });
    socket.write(`${JSON.stringify(message)}\n`);
  });
}

/**
 * Runs a peer.  `words` are its arguments without the control port.  The handle: proc, pid, what
 * the ready line says, control(message), kill(), restart() on the same ports, pause(), resume(),
 * stop().
 */
export async function startFake(name, words) {
  const self = {};
  const launch = async () => {
    const again = self.port ? ['--port', self.port, '--control-port', self.controlPort] : [];
    self.proc = start(path.join(fakes, name), [...again, ...words].map(String), { output: 'pipe' });
    self.pid = self.proc.pid;
    Object.assign(self, await readyLine(self.proc));
  };
  self.control = (message) => control(self.controlPort, message, name);
  self.pause = () => self.proc.signal('SIGSTOP');
  self.resume = () => self.proc.signal('SIGCONT');
  self.kill = () => self.proc.kill();
  self.restart = async () => {
    await self.proc.kill();
    await launch();
  };
  self.stop = () => self.proc.kill();
  await launch();
  return self;
}
