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
import { ContractFactory, Interface, Contract } from 'ethers';

const here = path.dirname(fileURLToPath(import.meta.url));
const sourceDir = path.join(here, 'contracts');
const cacheDir = path.join(here, '..', '..', 'build', 'cache');
const names = ['Admin', 'HTTPZ', 'DecryptionManager', 'AccessControl', 'Outbox'];

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

/** A deployed contract at an address, bound to a wallet or a provider. */
export function attach(name, address, runner) {
  return new Contract(address, compile()[name].abi, runner);
}

/**
 * Deploys HTTPZ, DecryptionManager and AccessControl from the wallet's account, which owns them.
 * Nonces are set by hand, so that the three creations go out together.
 * Returns { httpz, manager, access }: ethers contracts bound to the wallet.
 */
export async function deploy(wallet) {
  const { HTTPZ, DecryptionManager, AccessControl } = compile();
  const nonce = await wallet.getNonce('pending');
  const make = async (c, args, at) => {
    return new ContractFactory(c.abi, c.bytecode, wallet).deploy(...args, { nonce: at });
  };
  const httpz = await make(HTTPZ, [], nonce);
  const manager = await make(DecryptionManager, [await httpz.getAddress()], nonce + 1);
  const access = await make(AccessControl, [], nonce + 2);
  for (const c of [httpz, manager, access]) await c.waitForDeployment();
  return { httpz, manager, access };
}
