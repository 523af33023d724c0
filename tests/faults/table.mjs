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
  ['X01', 'the Core refuses connections, from the start and later', 1, 5, 60, core.X01],
  ['X02', 'the Core says UNAVAILABLE and means "not ready"', 1, 10, 60, core.X02],
  ['X03', 'the Core is busy: 19 of 20 calls are RESOURCE_EXHAUSTED', 1, 3, 120, core.X03],
  ['X04', 'the Core never answers a call', 1, 5, 60, core.X04],
  ['X05', 'connections to the Core that are dead and do not say so', 1, 3, 120, core.X05],
  ['X08', 'the Core has the request already: ALREADY_EXISTS', 1, 10, 60, core.X08],
  ['X09', 'the Core forgets what it was asked', 1, 5, 60, core.X09],
  ['X10', 'every status of gRPC on every method of the Core', 2, 17, 600, core.X10],
  ['X11', 'answers for another request, of another number or type', 1, 10, 60, core.X11],
  ['X12', 'answers signed by another key than the registered one', 1, 5, 60, core.X12],
  ['X13', 'answers far larger than allowed, also compressed', 1, 5, 60, core.X13],
  ['X14', 'answers whose bytes are no message', 20, 1000, 600, core.X14],
  ['X18', 'a key that takes long, while we are killed again and again', 1, 6, 120, core.X18],
  ['X19', 'ciphertexts missing, wrong, endless or slow', 2, 12, 240, core.X19],

  /* transactions */
  ['T01', 'the node takes a transaction and its answer is lost', 1, 10, 60, submit.T01],
  ['T02', 'another program uses our account', 1, 2, 120, submit.T02],
  ['T03', 'the first of 16 transactions is lost by the node', 1, 10, 90, submit.T03],
  ['T04', 'one nonce for two answers, also by who holds the socket', 2, 10, 120, submit.T04],
  ['T05', 'nodes that say in all ways that they know a transaction', 2, 27, 180, submit.T05],
  ['T06', 'words that look like those and are not', 2, 23, 180, submit.T06],
  ['T07', 'the base fee rises tenfold, and above the cap', 1, 5, 60, submit.T07],
  ['T09', 'an account without money', 1, 5, 60, submit.T09],
  ['T10', 'more gas is needed than was estimated', 1, 9, 60, submit.T10],
  ['T12', 'the contract has our answer already', 1, 10, 60, submit.T12],
  ['T13', 'a node that has not seen the request yet', 1, 10, 90, submit.T13],
  ['T14', 'the chain does not list this node, or another identity of it', 1, 5, 90, submit.T14],
  ['T15', 'the contract is paused', 1, 10, 60, submit.T15],
  ['T16', 'reverts that no profile knows', 1, 5, 90, submit.T16],
  ['T17', 'the estimate is well and the transaction reverts', 1, 10, 60, submit.T17],
  ['T18', 'the node says yes and forgets the transaction', 1, 5, 60, submit.T18],
  ['T19', 'no receipt of what is included', 1, 5, 60, submit.T19],
  ['T20', 'connections reset after each byte of a transaction or reply', 6, 1320, 1200, submit.T20],
  ['T21', 'answers of a call that we do not use; a method is missing', 1, 4, 90, submit.T21],
  ['T22', 'receipts of another transaction, or with an odd status', 1, 8, 120, submit.T22],
  ['T23', 'our transactions leave the chain with their blocks', 3, 64, 300, submit.T23],
  ['T26', 'a node says 2^255 for gas and fees', 1, 6, 60, submit.T26],
  ['T27', 'the sequencer takes no more', 2, 16, 120, submit.T27],
  ['T30', 'an answer too long for a transaction', 1, 3, 60, submit.T30],

  /* what is kept on the disk */

  /* processes and their links */

  /* what operators do */
];

export const table = rows.map(([number, fault, short, whole, seconds, run]) => {
  if (typeof run !== 'function') throw new Error(`${number} has no case`);
  return { number, fault, times: { short, whole }, seconds, run };
});
