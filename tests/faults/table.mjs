/*
 * table - the faults that must be survived, one row each.  The numbers are those of the plan; what
 * a case of a row does and demands stands in front of it.
 */
import * as content from './content.mjs';
import * as core from './core.mjs';
import * as operator from './operator.mjs';
import * as process from './process.mjs';
import * as store from './store.mjs';
import * as submit from './submit.mjs';
import * as transport from './transport.mjs';

/* number, fault, how often in the tests and alone, seconds at most, case */
const rows = [
  /* the chain's nodes: transport */
  ['L01', 'connections reset in the middle of frames', 3, 40, 120, transport.L01],
  ['L12', '502, 503, 504 or a page of HTML instead of an answer', 1, 5, 60, transport.L12],

  /* what the chain's nodes say */
  ['L30', 'the same log again and again', 1, 5, 60, content.L30],

  /* the KMS Core and the storage */

  /* transactions */

  /* what is kept on the disk */
  ['C01', 'a full disk', 1, 24, 300, store.C01],
  ['C03', 'a write to store or journal fails', 1, 150, 300, store.C03],
  ['C04', 'a sync of store or journal fails', 1, 24, 500, store.C04],
  ['C05', 'each sync takes seconds', 1, 10, 200, store.C05],
  ['C06', 'a torn or damaged store or journal', 3, 28, 400, store.C06],
  ['C07', 'a process dies at any of its calls', 1, 20, 300, store.C07],
  ['C09', 'an old store or journal is put back, or the store is lost', 2, 9, 300, store.C09],
  ['C10', 'a second instance of the same directory', 1, 12, 120, store.C10],
  ['C12', 'a store of a newer release, and those of older ones', 1, 2, 180, store.C12],
  ['C15', 'the clock jumps by a year, or begins in 1970', 3, 28, 200, store.C15],
  ['C16', 'a store that is used for years', 3, 24, 300, store.C16],

  /* processes and their links */
  ['P01', 'the listener is killed', 2, 24, 120, process.P01],
  ['P02', 'the executor is killed', 2, 24, 120, process.P02],
  ['P03', 'the submitter is killed', 2, 24, 120, process.P03],
  ['P04', 'the signer is killed', 2, 24, 120, process.P04],
  ['P05', 'the monitor is killed', 2, 24, 120, process.P05],
  ['P06', 'the supervisor is killed', 2, 20, 120, process.P06],
  ['P07', 'processes are stopped and hang', 1, 6, 240, process.P07],
  ['P09', 'a program that ends as soon as it is started', 2, 16, 240, process.P09],
  ['P10', 'no more files may be opened', 2, 20, 240, process.P10],
  ['P13', 'a flood of signals', 2, 50, 120, process.P13],
  ['P14', 'packets that are not allowed, at each socket', 1, 15, 300, process.P14],
  ['P15', 'someone who asks without end and never reads', 1, 10, 120, process.P15],
  ['P25', 'the signer dies between its journal and its answer', 1, 20, 120, process.P25],
  ['P26', 'one program is of another build', 1, 8, 120, process.P26],
  ['P27', 'the window for operators is flooded', 1, 8, 240, process.P27],
  ['P28', 'nobody reads the log', 1, 6, 240, process.P28],

  /* what operators do */
  ['O03', 'the key of an account that the chain does not list', 1, 8, 120, operator.O03],
  ['O09', 'more to say than a log may hold', 1, 4, 240, operator.O09],
];

export const table = rows.map(([number, fault, short, whole, seconds, run]) => {
  if (typeof run !== 'function') throw new Error(`${number} has no case`);
  return { number, fault, times: { short, whole }, seconds, run };
});
