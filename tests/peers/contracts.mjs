/*
 * contracts - the gateway contracts as test peers: compiled once, deployed where asked.
 *
 * The compiler is solc through its standard-json interface.  Its output is kept under
 * build/cache by the hash of its complete input, so that only a changed source is compiled.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContractFactory, Interface } from 'ethers';

const here = path.dirname(fileURLToPath(import.meta.url));
const sourceDir = path.join(here, 'contracts');
const cacheDir = path.join(here, '..', '..', 'build', 'cache');
const names = fs.readdirSync(sourceDir).filter((f) => f.endsWith('.sol')).map((f) => f.slice(0, -4)).sort();

let compiled; /* what compile() gave, once for each process */

/** Compiles all contracts; returns { NAME: { abi, bytecode, iface } }. */
export function compile() {
  if (compiled) return compiled;
  const input = JSON.stringify({
    language: 'Solidity',
    sources: Object.fromEntries(names.map((n) => {
      return [`${n}.sol`, { content: fs.readFileSync(path.join(sourceDir, `${n}.sol`), 'utf8') }];
    })),
    settings: {
      optimizer: { enabled: true, runs: 200 },
      viaIR: true,
      evmVersion: 'cancun',
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  });
  const file = path.join(cacheDir, `solc-${createHash('sha256').update(input).digest('hex')}.json`);
  let output;
  if (fs.existsSync(file)) {
    output = JSON.parse(fs.readFileSync(file, 'utf8'));
  } else {
    output = JSON.parse(createRequire(import.meta.url)('solc').compile(input));
    const errors = (output.errors ?? []).filter((e) => e.severity === 'error');
    if (errors.length) throw new Error(errors.map((e) => e.formattedMessage).join('\n'));
    fs.mkdirSync(cacheDir, { recursive: true });
    const fresh = `${file}.${process.pid}`;
    fs.writeFileSync(fresh, JSON.stringify(output));
    fs.renameSync(fresh, file);
  }
  compiled = {};
  for (const name of names) {
    const c = output.contracts[`${name}.sol`][name];
    compiled[name] = {
      abi: c.abi,
      bytecode: `0x${c.evm.bytecode.object}`,
      iface: new Interface(c.abi),
    };
  }
  return compiled;
}

/**
 * Deploys contracts from the wallet's account, which owns them: rows [name, contract, ...names of
 * contracts above whose addresses it is made with].  Nonces are set by hand, so that all creations
 * go out together.  Returns { name: ethers contract bound to the wallet }.
 */
export async function deploy(wallet, rows) {
  const nonce = await wallet.getNonce('pending');
  const made = {};
  for (const [i, [name, contract, ...needs]] of rows.entries()) {
    const { abi, bytecode } = compile()[contract];
    const args = needs.map((n) => made[n].target);
    made[name] = await new ContractFactory(abi, bytecode, wallet).deploy(...args, { nonce: nonce + i });
  }
  for (const c of Object.values(made)) await c.waitForDeployment();
  return made;
}
