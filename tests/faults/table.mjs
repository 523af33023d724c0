/*
 * table - the faults that must be survived, one row each.  The numbers are those of the plan; what
 * a case of a row does and demands stands in front of it.
 */
import * as conditions from './conditions.mjs';
import * as content from './content.mjs';
import * as core from './core.mjs';
import * as operator from './operator.mjs';
import * as process from './process.mjs';
import * as reorgs from './reorgs.mjs';
import * as store from './store.mjs';
import * as submit from './submit.mjs';
import * as transport from './transport.mjs';

/* number, fault, how often in the tests and alone, seconds at most, case */
const rows = [
  /* the chain's nodes: transport */
  ['L01', 'connections reset in the middle of frames', 6, 600, 1200, transport.L01],
  ['L02', 'a WebSocket that falls silent', 1, 3, 120, transport.L02],
  ['L05', 'replies of one byte in a second', 1, 4, 120, transport.L05],
  ['L06', 'replies and frames that are far too large or never end', 1, 5, 120, transport.L06],
  ['L09', 'replies that are not JSON, or none that can be meant', 4, 80, 120, transport.L09],
  ['L10', 'replies with another id, none, missing, twice, in any order', 1, 10, 120, transport.L10],
  ['L11', 'asked too often', 1, 12, 180, transport.L11],
  ['L12', '502, 503, 504 or a page of HTML instead of an answer', 2, 20, 120, transport.L12],
  ['L15', 'a node of another chain, at the start or all at once', 1, 3, 180, transport.L15],
  ['L17', 'of the nodes behind a URL some are 50 blocks behind', 1, 40, 900, transport.L17],
  ['L18', 'null for blocks that are there', 1, 3, 120, transport.L18],
  ['L20', 'no node at all', 1, 4, 300, transport.L20],
  ['L21', 'the first of two nodes is dead', 1, 10, 120, transport.L21],
  ['L23', 'logs refused for their range, in forty ways', 1, 80, 300, transport.L23],
  ['L24', 'logs left out in silence', 1, 20, 120, transport.L24],

  /* what the chain's nodes say */
  ['L30', 'the same log again and again', 1, 10, 60, content.L30],
  ['L31', 'logs and replies in any order', 1, 20, 60, content.L31],
  ['L32', 'logs that are called removed', 1, 20, 60, content.L32],
  ['L33', 'reorganisations of depth 1, 2, 7, 64, 1000 and 4096', 3, 6, 180, reorgs.L33],
  ['L34', 'a request id with other content after a reorganisation', 1, 10, 180, reorgs.L34],
  ['L35', 'a request that left the chain for good', 1, 10, 120, reorgs.L35],
  ['L36', 'a finalized block leaves the chain', 1, 3, 120, reorgs.L36],
  ['L38', 'no word of where to begin', 1, 3, 60, content.L38],
  ['L40', 'logs of strangers that look like ours', 1, 20, 60, content.L40],
  ['L41', 'logs that end too early, at every length', 6, 352, 180, content.L41],
  ['L42', 'logs with wild offsets and lengths', 6, 100, 180, content.L42],
  ['L43', 'requests that nobody can answer', 2, 7, 60, content.L43],
  ['L44', 'ids at the bounds of numbers', 2, 14, 60, content.L44],
  ['L45', 'events of a contract newer than the profile', 1, 5, 120, content.L45],
  ['L48', 'ten thousand requests in one block', 500, 50000, 900, content.L48],
  ['L49', 'no blocks for days', 1, 2, 120, content.L49],
  ['L51', 'finality tags that cannot be', 1, 3, 120, reorgs.L51],
  ['L52', 'a parent chain that is silent, lies, and is weeks late', 1, 3, 180, reorgs.L52],

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
  ['T07', 'the base fee rises tenfold, and above the cap', 1, 5, 60, conditions.T07],
  ['T09', 'an account without money', 1, 5, 60, conditions.T09],
  ['T10', 'more gas is needed than was estimated', 1, 9, 60, conditions.T10],
  ['T12', 'the contract has our answer already', 1, 10, 60, conditions.T12],
  ['T13', 'a node that has not seen the request yet', 1, 10, 90, conditions.T13],
  ['T14', 'the chain does not list this node, or another identity of it', 1, 5, 90, conditions.T14],
  ['T15', 'the contract is paused', 1, 10, 60, conditions.T15],
  ['T16', 'reverts that no profile knows', 1, 5, 90, conditions.T16],
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
