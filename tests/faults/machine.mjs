/*
 * machine - programs with machine.c in front: orders another clock and a slow disk.
 */
import fs from 'node:fs';
import { layPrograms } from './programs.mjs';

/**
 * What layPrograms() gives, and order({ aheadMs, syncMs }): the wall clock is so much ahead (or
 * behind) of the machine's, and each sync takes so much longer, from now on.
 */
export function layMachine() {
  const programs = layPrograms('faults');
  const file = programs.file('machine');
  fs.writeFileSync(file, Buffer.alloc(4096), { mode: 0o644 });
  programs.order = ({ aheadMs = 0, syncMs = 0 } = {}) => {
    const page = Buffer.alloc(16);
    page.writeBigInt64LE(BigInt(aheadMs), 0);
    page.writeBigUInt64LE(BigInt(syncMs), 8);
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, page, 0, page.length, 0);
    fs.closeSync(fd);
  };
  return programs;
}
