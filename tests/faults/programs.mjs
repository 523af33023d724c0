/*
 * programs - copies of the built programs in a directory of their own, so that one of them can be
 * another: one that ends at once, one of another build.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeDir, temporaryDir } from '../peers/process.mjs';
import { program } from '../system/world.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const built = path.join(root, process.env.B ?? 'build');
const profile = path.join(root, 'proto', 'profiles', 'httpz.yaml'); /* programs elsewhere do not find it by its name */

/**
 * { dir, program, options(more) for a ground, file(name), replace(name, content), restore(name),
 * remove() }; `kind`: bin or another folder of the build.
 */
export function layPrograms(kind = 'bin') {
  const from = kind === 'bin' ? path.dirname(program) : path.join(built, kind);
  const dir = temporaryDir('kms-programs');
  const file = (name) => path.join(dir, name);
  /* Aside first: a program that runs cannot be written to. */
  const put = (name, write) => {
    write(file(`${name}.new`));
    fs.chmodSync(file(`${name}.new`), 0o755);
    fs.renameSync(file(`${name}.new`), file(name));
  };
  const self = {
    dir, file, program: file('kms-connector'),
    replace: (name, content) => put(name, (to) => fs.writeFileSync(to, content)),
    restore: (name) => put(name, (to) => fs.copyFileSync(path.join(from, name), to, fs.constants.COPYFILE_FICLONE)),
    options: ({ config, ...more } = {}) => ({ binary: self.program, config: { profile, ...config }, ...more }),
    remove: () => removeDir(dir),
  };
  for (const name of fs.readdirSync(from).filter((n) => /^kms-|\.so$/.test(n))) self.restore(name);
  fs.chmodSync(dir, 0o755);
  return self;
}
