/*
 * trap - orders a crash: the other side of trap.h, read from it.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const header = fs.readFileSync(path.join(here, 'trap.h'), 'utf8').replace(/\\\n/g, ' ');
const built = path.join(here, '..', '..', process.env.B ?? 'build', 'crash');
const SLOT = Number(/#define TRAP_SLOT (\d+)/.exec(header)[1]);

/* First words of the rows of a table of the header. */
function rowsOf(table) {
  const [, text] = new RegExp(`#define ${table}\\(\\w+\\)([^\\n]*)`).exec(header);
  return [...text.matchAll(/\w\("?([\w-]+)/g)].map((m) => m[1]);
}

const programs = rowsOf('TRAP_ROLES');
const calls = rowsOf('TRAP_CALLS');
const codes = rowsOf('TRAP_MODES');
const kinds = rowsOf('TRAP_KINDS');

const { ENOSPC, EIO, EMFILE } = os.constants.errno;
/** mode -> its code in trap.h, and what the call fails with. */
export const modes = {
  kill: { code: 'before' },
  after: { code: 'after' },
  torn: { code: 'torn' },
  enospc: { code: 'full', error: ENOSPC },
  eio: { code: 'fails', error: EIO },
  emfile: { code: 'denied', error: EMFILE },
};

/** Roles as they are called in a table: executor -> kms-executor. */
export const roles = { supervisor: 'kms-connector', ...Object.fromEntries(programs.slice(1).map((p) => [p.slice(4), p])) };

/** A directory of programs with a trap of its own: { program, order(role, mode, at), read(role) }. */
export function layTrap(dir) {
  fs.mkdirSync(dir);
  for (const name of [...programs, 'libtrap.so']) {
    fs.copyFileSync(path.join(built, name), path.join(dir, name), fs.constants.COPYFILE_FICLONE);
  }
  const file = path.join(dir, 'trap');
  fs.writeFileSync(file, Buffer.alloc(4096), { mode: 0o666 });
  const fd = fs.openSync(file, 'r+');
  const slotOf = (role) => programs.indexOf(roles[role]) * SLOT;

  return {
    program: path.join(dir, roles.supervisor),
    close: () => fs.closeSync(fd),
    /**
     * From now on the first process of each role is another one, and that of `role` is trapped.
     * Without a role: those of all are counted, none is trapped.
     */
    order(role, mode, at) {
      const page = Buffer.alloc(4096);
      const { code, error = 0 } = modes[mode];
      for (const one of role ? [role] : Object.keys(roles)) {
        [codes.indexOf(code), role ? at : 0, error].forEach((n, i) => page.writeUInt32LE(n, slotOf(one) + 4 * i));
      }
      fs.writeSync(fd, page, 0, page.length, 0);
    },
    /** { starts, count, fired, where }: where it happened, in words. */
    read(role) {
      const slot = Buffer.alloc(SLOT);
      fs.readSync(fd, slot, 0, SLOT, slotOf(role));
      const [, , , starts, count, fired, call, at, kind] = Array.from({ length: SLOT / 4 }, (_, i) => slot.readInt32LE(4 * i));
      return { starts, count, fired: Boolean(fired), where: fired ? `${calls[call]} ${kinds[kind]} ${at}` : '' };
    },
  };
}
