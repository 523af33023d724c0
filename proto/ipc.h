/*
 * ipc - every message between our processes, once.
 *
 * A packet on a SOCK_SEQPACKET socket is one msgpack array [number, fields...], in the
 * order of the rows below, at most IPC_PACKET_MAX bytes, in canonical (shortest) form.
 * From these rows come the numbers, the structs, the encoder and the decoder (common/wire.c),
 * the permitted sender, the limits, each receiver's switch, PROTOCOL.md and the fuzz target.
 *
 * Field types:
 *	u64	unsigned integer
 *	b20	address, b32	hash or 256-bit id, u256	amount of wei
 *	bytes	byte string of at most LIMIT bytes, inside the packet
 *	blob	byte string of at most LIMIT bytes; over IPC_INLINE_MAX it travels as a sealed memfd
 *	str	text of at most LIMIT bytes, printable UTF-8 without control characters
 *
 * A window is how many messages of that row may wait for their answer on one link; 0 means
 * that the row is not new work and needs no credit.  Numbers are for ever.
 */
#pragma once

#include "common/bytes.h"
#include "common/u256.h"

#define IPC_PACKET_MAX   (128 * 1024)
#define IPC_INLINE_MAX   (64 * 1024)
#define IPC_CALLDATA_MAX 95000		/* the L2's own limit of a whole transaction */
#define TX_CALLDATA_MAX	 (IPC_CALLDATA_MAX - 200)	/* what is left for its data */
#define IPC_LOG_MAX      (1024 * 1024)	/* data of one event */
#define IPC_RAW_TX_MAX   (96 * 1024)
#define IPC_OPEN_MAX     (40 * 1024)	/* open blocks in one resume: 1,024 of 40 bytes */
#define IPC_FIELDS_MAX   24
#define IPC_FOLLOW_NOW   UINT64_MAX

/* role, program, what it is */
#define IPC_ROLES(R) \
	R(SUPERVISOR, "kms-connector", "starts and restarts the others; command line") \
	R(LISTENER,   "kms-listener",  "hears the chain") \
	R(EXECUTOR,   "kms-executor",  "remembers requests, asks the Core") \
	R(SUBMITTER,  "kms-submitter", "brings answers to the chain") \
	R(SIGNER,     "kms-signer",    "holds the key") \
	R(MONITOR,    "kms-monitor",   "shows operators what happens") \
	R(OPERATOR,   "kms-connector", "an operator's command")

enum ipc_role {
#define R(name, program, text) ROLE_##name,
	IPC_ROLES(R)
#undef R
	ROLE_COUNT
};

/* link, socket's file name, who listens, who connects */
#define IPC_LINKS(L) \
	L(listener,  "listener.sock",  EXECUTOR,  LISTENER) \
	L(monitor,   "monitor.sock",   EXECUTOR,  MONITOR) \
	L(operator,  "operator.sock",  EXECUTOR,  OPERATOR) \
	L(submitter, "submitter.sock", SUBMITTER, EXECUTOR) \
	L(signer,    "signer.sock",    SIGNER,    SUBMITTER)

/*   number, name,     from,      to,        window, what it is for */
#define IPC_ANY(MSG) \
	MSG(0x01, hello,       ANY,       ANY,       0, "First both ways: who speaks, and that both are of one build and one network.")

#define IPC_LISTENER_TO_EXECUTOR(MSG) \
	MSG(0x10, event,       LISTENER,  EXECUTOR, 256, "One log of a watched contract, raw; reason says why it could not be decoded.") \
	MSG(0x11, blocks,      LISTENER,  EXECUTOR,   8, "All logs up to this block have been said; the cursor may move here.") \
	MSG(0x12, head,        LISTENER,  EXECUTOR,   0, "How far each level of finality has come.") \
	MSG(0x13, retracted,   LISTENER,  EXECUTOR,   0, "This block left the chain.") \
	MSG(0x14, rechecked,   LISTENER,  EXECUTOR,   0, "Whether a block and its log still stand.") \
	MSG(0x15, hearing,     LISTENER,  EXECUTOR,   0, "Listening has stopped for a reason, or (empty reason) goes on.")

#define IPC_EXECUTOR_TO_LISTENER(MSG) \
	MSG(0x20, resume,      EXECUTOR,  LISTENER,   0, "Where to go on, and which blocks open requests stand in.") \
	MSG(0x21, granted,     EXECUTOR,  LISTENER,   0, "Everything up to this block is on disk; gives back the credit of events and blocks.") \
	MSG(0x22, recheck,     EXECUTOR,  LISTENER,   0, "Do this block and this log in it still stand?") \
	MSG(0x23, rewind,      EXECUTOR,  LISTENER,   0, "Read again from this block.")

#define IPC_EXECUTOR_TO_SUBMITTER(MSG) \
	MSG(0x30, submit,      EXECUTOR,  SUBMITTER, 64, "Bring this answer to the chain.") \
	MSG(0x31, withdraw,    EXECUTOR,  SUBMITTER,  0, "The answer is not wanted any more, unless it is signed.") \
	MSG(0x32, pause,       EXECUTOR,  SUBMITTER,  0, "Stop sending (an operator asked).") \
	MSG(0x33, go_on,       EXECUTOR,  SUBMITTER,  0, "Send again.")

#define IPC_SUBMITTER_TO_EXECUTOR(MSG) \
	MSG(0x40, signed,      SUBMITTER, EXECUTOR,   0, "The answer has a nonce and a transaction hash, for ever.") \
	MSG(0x41, sent,        SUBMITTER, EXECUTOR,   0, "A node took the transaction.") \
	MSG(0x42, included,    SUBMITTER, EXECUTOR,   0, "It stands in this block, with this status.") \
	MSG(0x44, failed,      SUBMITTER, EXECUTOR,   0, "It will not be sent, or it reverted; the class says what that means.") \
	MSG(0x45, paused,      SUBMITTER, EXECUTOR,   0, "Sending has stopped for a reason, or (empty reason) goes on.") \
	MSG(0x46, funds,       SUBMITTER, EXECUTOR,   0, "Our account: balance, nonces, budgets left.")

#define IPC_SUBMITTER_TO_SIGNER(MSG) \
	MSG(0x50, sign_tx,     SUBMITTER, SIGNER,    16, "Ask for one signature over one answer.") \
	MSG(0x51, get_tx,      SUBMITTER, SIGNER,    16, "The transaction signed for this nonce, byte for byte.") \
	MSG(0x52, adopt,       SUBMITTER, SIGNER,     0, "The chain is ahead of the journal: the next nonce is this one.") \
	MSG(0x53, ask_info,    SUBMITTER, SIGNER,     0, "What may still be spent?") \
	MSG(0x54, raise,       SUBMITTER, SIGNER,    16, "The same call at the same nonce, for more gas or fee.")

#define IPC_SIGNER_TO_SUBMITTER(MSG) \
	MSG(0x60, signer_info, SIGNER,    SUBMITTER,  0, "After hello, adopt and ask_info: whose key, which nonce is next, what may still be spent.") \
	MSG(0x61, tx_signed,   SIGNER,    SUBMITTER,  0, "The signed transaction; already in the journal.") \
	MSG(0x62, sign_refused, SIGNER,   SUBMITTER,  0, "Not signed, and the rule that forbids it.")

#define IPC_WINDOW_TO_EXECUTOR(MSG) \
	MSG(0x70, query,       OPERATOR,  EXECUTOR,   4, "Ask for status, one request, or a list.") \
	MSG(0x71, follow,      OPERATOR,  EXECUTOR,   4, "Say the changes of state after this one; answered by changes and one followed.")

#define IPC_OPERATOR_TO_EXECUTOR(MSG) \
	MSG(0x72, retry,       OPERATOR,  EXECUTOR,   4, "Try again what is refused, expired or held (op 0: all of them).") \
	MSG(0x73, drop,        OPERATOR,  EXECUTOR,   4, "End one request for ever.") \
	MSG(0x74, halt,        OPERATOR,  EXECUTOR,   4, "Pause a stage: core or sending.") \
	MSG(0x75, proceed,     OPERATOR,  EXECUTOR,   4, "Let a paused stage go on.") \
	MSG(0x76, reread,      OPERATOR,  EXECUTOR,   4, "Read a chain again from a block; what is known already changes nothing.")

#define IPC_EXECUTOR_TO_WINDOW(MSG) \
	MSG(0x80, row,         EXECUTOR,  OPERATOR,   0, "One request as it is now.") \
	MSG(0x81, stage,       EXECUTOR,  OPERATOR,   0, "One stage: runs or is paused, since when, why, how it clears.") \
	MSG(0x82, figure,      EXECUTOR,  OPERATOR,   0, "One number of the status.") \
	MSG(0x83, done,        EXECUTOR,  OPERATOR,   0, "The answer to a query or command ends here.")

#define IPC_CHANGE_TO_WINDOW(MSG) \
	MSG(0x84, change,      EXECUTOR,  OPERATOR,   0, "One change of state of a request, as it is on disk.")

#define IPC_FOLLOWED_TO_WINDOW(MSG) \
	MSG(0x85, followed,    EXECUTOR,  OPERATOR,   0, "The answer to a follow ends here; gives back its credit.")

#define IPC_ALL(MSG) \
	IPC_ANY(MSG) IPC_LISTENER_TO_EXECUTOR(MSG) IPC_EXECUTOR_TO_LISTENER(MSG) \
	IPC_EXECUTOR_TO_SUBMITTER(MSG) IPC_SUBMITTER_TO_EXECUTOR(MSG) \
	IPC_SUBMITTER_TO_SIGNER(MSG) IPC_SIGNER_TO_SUBMITTER(MSG) \
	IPC_WINDOW_TO_EXECUTOR(MSG) IPC_OPERATOR_TO_EXECUTOR(MSG) IPC_EXECUTOR_TO_WINDOW(MSG) \
	IPC_CHANGE_TO_WINDOW(MSG) IPC_FOLLOWED_TO_WINDOW(MSG)

/* F(message, type, field, limit, what it is) */

#define IPC_hello(F, m) \
	F(m, str,   build,    64, "Version and source hash; both must be equal.") \
	F(m, str,   role,     16, "Name of the speaker's role.") \
	F(m, b32,   network,   0, "Hash of chains, contracts and profile; both must be equal.")

#define IPC_event(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   kind,      0, "Number of the operation kind (proto/operations.h); 0 if undecodable.") \
	F(m, u64,   request,   0, "Row of the profile's requests that matched.") \
	F(m, b20,   contract,  0, "Who emitted the log.") \
	F(m, u64,   block,     0, "Block number.") \
	F(m, b32,   block_hash, 0, "Block hash.") \
	F(m, u64,   block_time, 0, "The block's own time, Unix seconds.") \
	F(m, b32,   tx_hash,   0, "Transaction that emitted it.") \
	F(m, u64,   log_index, 0, "Position in the block.") \
	F(m, bytes, topics,  128, "1 to 4 topics of 32 bytes.") \
	F(m, blob,  data, IPC_LOG_MAX, "The log's data, as the node gave it.") \
	F(m, str,   reason,  120, "Empty, or why the data could not be decoded.")

#define IPC_blocks(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, b32,   filter,    0, "Hash of the watched addresses and topics.") \
	F(m, u64,   to,        0, "Last block that is complete.") \
	F(m, b32,   hash,      0, "Its hash.")

#define IPC_head(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   latest,    0, "Block number.") \
	F(m, u64,   confirmed, 0, "Same hash at every endpoint and 5 s old.") \
	F(m, u64,   safe,      0, "Block number.") \
	F(m, u64,   finalized, 0, "Block number.") \
	F(m, u64,   settled,   0, "Block number, as the parent chain says; 0 while it has said none.") \
	F(m, u64,   settled_time, 0, "Without a parent chain: what has this time or an earlier one is settled; Unix seconds.") \
	F(m, u64,   latest_time, 0, "Time of the latest block, Unix seconds.")

#define IPC_retracted(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   number,    0, "Block number.") \
	F(m, b32,   hash,      0, "Hash of the block that left.")

#define IPC_rechecked(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   number,    0, "Block number.") \
	F(m, b32,   hash,      0, "Hash asked for.") \
	F(m, u64,   log_index, 0, "Log asked for.") \
	F(m, u64,   verdict,   0, "1 both stand, 2 the block left the chain, 3 not known now.")

#define IPC_hearing(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, str,   why,     200, "Empty: everything up to the head is read.")

#define IPC_resume(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, b32,   filter,    0, "What the cursor was counted with; another filter starts again.") \
	F(m, u64,   has_cursor, 0, "1 when next and hash are set; 0: begin at the configured start block.") \
	F(m, u64,   next,      0, "First block to read.") \
	F(m, b32,   hash,      0, "Hash of the block before it.") \
	F(m, u64,   finalized, 0, "Highest finalized block that was said while it was read; 0: none.") \
	F(m, bytes, open, IPC_OPEN_MAX, "Blocks of open requests: 8-byte number and 32-byte hash each.") \
	F(m, u64,   more,      0, "1: further open blocks follow in another resume.")

#define IPC_granted(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   block,     0, "The cursor is here, on disk.") \
	F(m, u64,   events,    0, "Credit given back for events.") \
	F(m, u64,   blocks,    0, "Credit given back for blocks.")

#define IPC_recheck(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   number,    0, "Block number.") \
	F(m, b32,   hash,      0, "Its hash when the event was seen.") \
	F(m, b32,   tx_hash,   0, "Transaction that emitted the log.") \
	F(m, u64,   log_index, 0, "Position in the block.") \
	F(m, b20,   contract,  0, "Who emitted it.") \
	F(m, b32,   content,   0, "keccak256 of its topics and data.")

#define IPC_rewind(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   block,     0, "First block to read again.")

#define IPC_submit(F, m) \
	F(m, u64,   op,        0, "Operation number; every answer names it.") \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   kind,      0, "Operation kind.") \
	F(m, b32,   id,        0, "Request id on the chain.") \
	F(m, b20,   contract,  0, "Where the answer goes.") \
	F(m, bytes, calldata, IPC_CALLDATA_MAX, "The complete call, already on disk.") \
	F(m, b32,   handles_hash, 0, "keccak256 of the handles in order (decryptions).") \
	F(m, b32,   public_key_hash, 0, "keccak256 of the user's public key (user decryptions).")

#define IPC_withdraw(F, m) \
	F(m, u64,   op,        0, "Operation number.")

#define IPC_pause(F, m) \
	F(m, u64,   chain,     0, "Chain id.")

#define IPC_go_on(F, m) \
	F(m, u64,   chain,     0, "Chain id.")

#define IPC_signed(F, m) \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   nonce,     0, "Nonce of our account.") \
	F(m, b32,   hash,      0, "Transaction hash.")

#define IPC_sent(F, m) \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   nonce,     0, "Nonce of our account.")

#define IPC_included(F, m) \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   nonce,     0, "Nonce of our account.") \
	F(m, b32,   hash,      0, "Transaction hash.") \
	F(m, u64,   block,     0, "Block number.") \
	F(m, b32,   block_hash, 0, "Block hash.") \
	F(m, u64,   status,    0, "1 executed, 0 reverted.") \
	F(m, u64,   gas,       0, "Gas used.") \
	F(m, u256,  fee,       0, "Wei paid.")

#define IPC_failed(F, m) \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   class,     0, "What it means (enum fail_class in proto/states.h).") \
	F(m, str,   reason,  200, "For people.")

#define IPC_paused(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, str,   why,     200, "Empty: sending goes on.") \
	F(m, str,   clears,  200, "How it clears.")

#define IPC_funds(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, b20,   account,   0, "Our account.") \
	F(m, u256,  balance,   0, "Wei.") \
	F(m, u64,   chain_nonce, 0, "Transactions of ours in the latest block.") \
	F(m, u64,   next_nonce, 0, "The journal's next nonce.") \
	F(m, u256,  hour_left, 0, "Wei the signer may still permit in this hour.") \
	F(m, u256,  day_left,  0, "Wei the signer may still permit on this day.")

#define IPC_sign_tx(F, m) \
	F(m, u64,   op,        0, "Echoed in the answer.") \
	F(m, u64,   chain,     0, "Chain id; the policy checks it.") \
	F(m, u64,   kind,      0, "Operation kind; the policy checks contract and selector by it.") \
	F(m, b32,   id,        0, "Request id; must stand in the calldata.") \
	F(m, b20,   to,        0, "Target contract; the policy checks it.") \
	F(m, bytes, calldata, IPC_CALLDATA_MAX, "The call.") \
	F(m, u64,   gas,       0, "Gas limit; the policy has a cap.") \
	F(m, u64,   max_fee,   0, "Wei per gas; the policy has a cap.") \
	F(m, u64,   tip,       0, "Wei per gas of priority fee; not above max_fee.") \
	F(m, u64,   replace,   0, "0: the first transaction, or the same bytes again.  1: at another nonce, the first one is used or lost.") \
	F(m, b32,   handles_hash, 0, "keccak256 of the handles in order (decryptions).") \
	F(m, b32,   public_key_hash, 0, "keccak256 of the user's public key (user decryptions).")

#define IPC_get_tx(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   nonce,     0, "Nonce.")

#define IPC_adopt(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   nonce,     0, "The chain's next nonce; never below the journal's.")

#define IPC_ask_info(F, m) \
	F(m, u64,   chain,     0, "Chain id.")

#define IPC_raise(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   nonce,     0, "Whose call; it stands in the journal.") \
	F(m, u64,   gas,       0, "Gas limit; not less than signed, the policy has a cap.") \
	F(m, u64,   max_fee,   0, "Wei per gas; not less than signed, the policy has a cap.")

#define IPC_signer_info(F, m) \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, b20,   account,   0, "Address of the key.") \
	F(m, u64,   next_nonce, 0, "The nonce that the next new transaction gets.") \
	F(m, u256,  hour_left, 0, "Wei that may still be spent in this hour.") \
	F(m, u256,  day_left,  0, "Wei that may still be spent on this day.")

#define IPC_tx_signed(F, m) \
	F(m, u64,   op,        0, "Operation number of the request (of get_tx and raise: as journaled).") \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   kind,      0, "Operation kind.") \
	F(m, b32,   id,        0, "Request id.") \
	F(m, u64,   nonce,     0, "Nonce of our account.") \
	F(m, b32,   hash,      0, "Transaction hash.") \
	F(m, u64,   gas,       0, "Gas limit signed.") \
	F(m, u64,   max_fee,   0, "Wei per gas signed.") \
	F(m, u64,   first,     0, "1: signed now for the first time; 0: these bytes were signed before.") \
	F(m, bytes, raw, IPC_RAW_TX_MAX, "The transaction as a node takes it.")

#define IPC_sign_refused(F, m) \
	F(m, u64,   op,        0, "Operation number; 0 for get_tx.") \
	F(m, u64,   nonce,     0, "Of get_tx and raise; else 0.") \
	F(m, str,   rule,     32, "Name of the rule (submitter/signer/policy.h).") \
	F(m, str,   detail,  200, "For people.")

#define IPC_query(F, m) \
	F(m, u64,   tag,       0, "Echoed in every part of the answer.") \
	F(m, u64,   what,      0, "1 status, 2 one request, 3 list.") \
	F(m, u64,   kind,      0, "Of one request, or filter of a list (0: all).") \
	F(m, b32,   id,        0, "Request id on the chain, of one request.") \
	F(m, u64,   state,     0, "Filter of a list (0: all).") \
	F(m, u64,   before,    0, "List: operation numbers below this one (0: from the newest).") \
	F(m, u64,   limit,     0, "List: rows at the most, 1 to 1,000.") \
	F(m, u64,   since_ms,  0, "List: first seen at this Unix millisecond or later.") \
	F(m, u64,   until_ms,  0, "List: first seen before this one (0: no filter).") \
	F(m, str,   reason,   80, "List: words of the reason, capitals or not (empty: no filter).")

#define IPC_follow(F, m) \
	F(m, u64,   tag,       0, "Echoed in every part of the answer.") \
	F(m, u64,   from,      0, "Changes above this sequence number; 0: all that are kept; IPC_FOLLOW_NOW: none, only where the record ends.") \
	F(m, u64,   limit,     0, "Changes at the most, 1 to 1,000.") \
	F(m, u64,   wait,      0, "1: answer when there is a change; 0: answer at once.")

#define IPC_retry(F, m) \
	F(m, u64,   tag,       0, "Echoed.") \
	F(m, u64,   kind,      0, "Operation kind; 0: all that can be retried.") \
	F(m, b32,   id,        0, "Request id on the chain.")

#define IPC_drop(F, m) \
	F(m, u64,   tag,       0, "Echoed.") \
	F(m, u64,   kind,      0, "Operation kind.") \
	F(m, b32,   id,        0, "Request id on the chain.")

#define IPC_halt(F, m) \
	F(m, u64,   tag,       0, "Echoed.") \
	F(m, str,   stage,    16, "core or sending.")

#define IPC_proceed(F, m) \
	F(m, u64,   tag,       0, "Echoed.") \
	F(m, str,   stage,    16, "core or sending.")

#define IPC_reread(F, m) \
	F(m, u64,   tag,       0, "Echoed.") \
	F(m, u64,   chain,     0, "Chain id; 0: the first.") \
	F(m, u64,   block,     0, "First block to read again.")

#define IPC_row(F, m) \
	F(m, u64,   tag,       0, "Of the query.") \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   kind,      0, "Operation kind.") \
	F(m, b32,   id,        0, "Request id on the chain.") \
	F(m, u64,   state,     0, "State (proto/states.h).") \
	F(m, str,   reason,  200, "Why, when it is not the ordinary way.") \
	F(m, u64,   at_ms,     0, "Unix milliseconds of the last change.") \
	F(m, u64,   seen_ms,   0, "Unix milliseconds when we first saw it.") \
	F(m, u64,   fetch_ms,  0, "Milliseconds for the ciphertexts.") \
	F(m, u64,   core_ms,   0, "Milliseconds at the Core.") \
	F(m, u64,   send_ms,   0, "Milliseconds from answered to included.") \
	F(m, u64,   block,     0, "Block of the event.") \
	F(m, b32,   tx,        0, "Our transaction; zero while there is none.") \
	F(m, u64,   nonce,     0, "Its nonce.") \
	F(m, u64,   tx_block,  0, "Block that holds it; 0 while there is none.") \
	F(m, u64,   attempts,  0, "How often the present step was tried.") \
	F(m, u64,   next_ms,   0, "Unix milliseconds of the next attempt; 0: none planned.") \
	F(m, b32,   result_id, 0, "Id of what is made (key operations); else zero.") \
	F(m, str,   result, 2048, "What the Core proved of it: digests and its signature.")

#define IPC_stage(F, m) \
	F(m, u64,   tag,       0, "Of the query.") \
	F(m, str,   name,     16, "listening, core, storage, sending.") \
	F(m, u64,   state,     0, "1 runs, 2 paused by itself, 3 paused by an operator.") \
	F(m, u64,   since_ms,  0, "Unix milliseconds.") \
	F(m, str,   why,     200, "Why it is paused.") \
	F(m, str,   clears,  200, "How it clears.")

#define IPC_figure(F, m) \
	F(m, u64,   tag,       0, "Of the query.") \
	F(m, str,   name,     48, "Name, as in /metrics without the prefix.") \
	F(m, str,   value,    80, "Number or text.")

#define IPC_done(F, m) \
	F(m, u64,   tag,       0, "Of the query or command.") \
	F(m, u64,   count,     0, "How many rows, or how many requests were changed.") \
	F(m, str,   text,    200, "Empty, or why nothing was done.") \
	F(m, u64,   next,      0, "List: where the next page begins (before); 0: this was the last.")

#define IPC_change(F, m) \
	F(m, u64,   tag,       0, "Of the follow or query.") \
	F(m, u64,   seq,       0, "Sequence number: grows, is never used again, also across restarts.") \
	F(m, u64,   op,        0, "Operation number.") \
	F(m, u64,   chain,     0, "Chain id.") \
	F(m, u64,   kind,      0, "Operation kind.") \
	F(m, b32,   id,        0, "Request id on the chain.") \
	F(m, u64,   state,     0, "The state it came to.") \
	F(m, u64,   at_ms,     0, "Unix milliseconds.") \
	F(m, u64,   block,     0, "Block of our transaction where it has one, else of the event.") \
	F(m, b32,   tx,        0, "Our transaction; zero while there is none.") \
	F(m, str,   reason,  200, "Why, when it is not the ordinary way.")

#define IPC_followed(F, m) \
	F(m, u64,   tag,       0, "Of the follow.") \
	F(m, u64,   count,     0, "How many changes were said.") \
	F(m, u64,   next,      0, "Where to go on: from, of the next follow.") \
	F(m, str,   reset,   100, "Empty, or why changes between from and next are missing: no change was said.")

/* From here on: what the rows become. */

enum ipc_type { IPC_u64, IPC_b20, IPC_b32, IPC_u256, IPC_bytes, IPC_blob, IPC_str };

struct ipc_field {
	enum ipc_type type;
	uint32_t offset;		/* in the message's struct */
	uint32_t limit;			/* bytes, for bytes, blob and str */
	const char *name;
	const char *text;
};

struct ipc_msg {
	uint8_t number;
	uint8_t fields;
	uint16_t window;
	uint32_t size;			/* of the struct */
	const char *name;
	const char *from, *to;
	const char *text;
	const struct ipc_field *field;
};

#define IPC_C_u64   uint64_t
#define IPC_C_b20   struct addr
#define IPC_C_b32   struct b32
#define IPC_C_u256  struct u256
#define IPC_C_bytes struct bytes
#define IPC_C_blob  struct bytes
#define IPC_C_str   struct bytes

#define IPC_MEMBER(m, type, field, limit, text) IPC_C_##type field;
#define IPC_STRUCT(number, name, from, to, window, text) \
	struct msg_##name { IPC_##name(IPC_MEMBER, name) }; \
	extern const struct ipc_msg ipc_##name;
IPC_ALL(IPC_STRUCT)
#undef IPC_STRUCT
#undef IPC_MEMBER

enum ipc_number {
#define IPC_NUMBER(number, name, from, to, window, text) IPC_N_##name = number,
	IPC_ALL(IPC_NUMBER)
#undef IPC_NUMBER
};

/* NULL for a number nobody has. */
const struct ipc_msg *find_ipc_msg(uint8_t number);

/* All rows, ended by NULL. */
extern const struct ipc_msg *const ipc_messages[];

const char *ipc_role_name(enum ipc_role role);	/* "listener" */
