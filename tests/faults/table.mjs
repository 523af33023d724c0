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
  ['L01', 'connections reset in the middle of frames', 6, 4400, 1200, transport.L01],
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
  ['L33', 'reorganisations of depth 1, 2, 7, 64, 1000 and 4096', 3, 6, 180, content.L33],
  ['L34', 'a request id with other content after a reorganisation', 1, 10, 180, content.L34],
  ['L35', 'a request that left the chain for good', 1, 10, 120, content.L35],
  ['L36', 'a finalized block leaves the chain', 1, 3, 120, content.L36],
  ['L38', 'no word of where to begin', 1, 3, 60, content.L38],
  ['L40', 'logs of strangers that look like ours', 1, 20, 60, content.L40],
  ['L41', 'logs that end too early, at every length', 6, 352, 180, content.L41],
  ['L42', 'logs with wild offsets and lengths', 6, 100, 180, content.L42],
  ['L43', 'requests that nobody can answer', 2, 7, 60, content.L43],
  ['L44', 'ids at the bounds of numbers', 2, 14, 60, content.L44],
  ['L45', 'events of a contract newer than the profile', 1, 5, 120, content.L45],
  ['L48', 'ten thousand requests in one block', 500, 50000, 900, content.L48],
  ['L49', 'no blocks for days', 1, 2, 120, content.L49],
  ['L51', 'finality tags that cannot be', 1, 3, 120, content.L51],
  ['L52', 'a parent chain that is silent, lies, and is weeks late', 1, 3, 180, content.L52],

  /* the KMS Core and the storage */

  /* transactions */

  /* what is kept on the disk */

  /* processes and their links */

  /* what operators do */
];

export const table = rows.map(([number, fault, short, whole, seconds, run]) => {
  if (typeof run !== 'function') throw new Error(`${number} has no case`);
  return { number, fault, times: { short, whole }, seconds, run };
});
