/*
 * counters - everything that is counted, by process.  /metrics prints these rows as
 * kms_connector_<process>_<name>; a row with TOTAL only grows, GAUGE goes both ways.
 *
 * Each process writes its own page of shared memory (made by the supervisor, so counters
 * survive the process); supervisor and monitor read it.
 */
#pragma once

#include <stdint.h>

/* clang-format off */
#define COUNTERS_LISTENER(C) \
	C(LISTENER, rpc_calls,        TOTAL, "JSON-RPC calls sent") \
	C(LISTENER, rpc_errors,       TOTAL, "JSON-RPC calls without a usable answer") \
	C(LISTENER, rpc_throttled,    TOTAL, "replies by which a node said that it was asked too often") \
	C(LISTENER, rpc_refused,      TOTAL, "replies that were malformed, too large or contradictory") \
	C(LISTENER, ws_reconnects,    TOTAL, "WebSocket connections that were lost") \
	C(LISTENER, failovers,        TOTAL, "changes of the endpoint in use") \
	C(LISTENER, blocks,           TOTAL, "blocks read") \
	C(LISTENER, blooms_skipped,   TOTAL, "blocks whose bloom excludes us") \
	C(LISTENER, events,           TOTAL, "request events handed on") \
	C(LISTENER, undecodable,      TOTAL, "logs that could not be decoded, handed on raw") \
	C(LISTENER, foreign_logs,     TOTAL, "logs that a node gave though they were not asked for") \
	C(LISTENER, reorgs,           TOTAL, "reorganisations seen") \
	C(LISTENER, retracted_blocks, TOTAL, "blocks that left the chain") \
	C(LISTENER, latest,           GAUGE, "latest block") \
	C(LISTENER, finalized,        GAUGE, "finalized block") \
	C(LISTENER, cursor,           GAUGE, "last block granted by the executor") \
	C(LISTENER, settled,          GAUGE, "settled block, as the parent chain says") \
	C(LISTENER, settled_time,     GAUGE, "time up to which blocks are settled, Unix seconds") \
	C(LISTENER, parent_calls,     TOTAL, "JSON-RPC calls sent to the parent chain") \
	C(LISTENER, parent_errors,    TOTAL, "of these, calls without a usable answer") \
	C(LISTENER, parent_doubts,    TOTAL, "what the parent chain said and was not believed") \
	C(LISTENER, parent_finalized, GAUGE, "block of the parent chain up to which its Outbox was read") \
	C(LISTENER, unknown_events,   TOTAL, "events of the contracts that the profile does not know, as read") \
	C(LISTENER, doubted_logs,     TOTAL, "times that a node gave no logs of a block whose bloom names ours")

#define COUNTERS_EXECUTOR(C) \
	C(EXECUTOR, events,           TOTAL, "events stored") \
	C(EXECUTOR, duplicates,       TOTAL, "events known already") \
	C(EXECUTOR, commits,          TOTAL, "commits of the store") \
	C(EXECUTOR, rows,             TOTAL, "changes written in those commits") \
	C(EXECUTOR, fetches,          TOTAL, "ciphertext fetches started") \
	C(EXECUTOR, fetch_errors,     TOTAL, "fetches that failed or whose digest was wrong") \
	C(EXECUTOR, fetch_bytes,      TOTAL, "bytes of ciphertext fetched") \
	C(EXECUTOR, body_bytes,       GAUGE, "bytes of ciphertext held now") \
	C(EXECUTOR, core_calls,       TOTAL, "calls to the Core") \
	C(EXECUTOR, core_errors,      TOTAL, "calls to the Core that did not end well") \
	C(EXECUTOR, core_forgot,      TOTAL, "requests the Core no longer knew and was asked again") \
	C(EXECUTOR, core_wrong,       TOTAL, "answers of the Core that were not what was asked for") \
	C(EXECUTOR, rpc_calls,        TOTAL, "JSON-RPC calls sent") \
	C(EXECUTOR, rpc_errors,       TOTAL, "JSON-RPC calls without a usable answer") \
	C(EXECUTOR, rpc_throttled,    TOTAL, "replies by which a node said that it was asked too often") \
	C(EXECUTOR, refused_edges,    TOTAL, "events that the state table does not know") \
	C(EXECUTOR, retries,          TOTAL, "steps tried again") \
	C(EXECUTOR, done,             TOTAL, "requests done") \
	C(EXECUTOR, done_before,      TOTAL, "requests found done on the chain without our doing") \
	C(EXECUTOR, refused,          TOTAL, "requests refused") \
	C(EXECUTOR, expired,          TOTAL, "requests expired") \
	C(EXECUTOR, held,             TOTAL, "requests held for an operator") \
	C(EXECUTOR, retracted,        TOTAL, "requests retracted") \
	C(EXECUTOR, observed_agrees,  TOTAL, "answers of another connector that are as ours would be") \
	C(EXECUTOR, observed_differs, TOTAL, "answers of another connector that are not") \
	C(EXECUTOR, open,             GAUGE, "requests open") \
	C(EXECUTOR, active,           GAUGE, "requests in memory") \
	C(EXECUTOR, paused_core,      GAUGE, "1 while the Core stage is paused") \
	C(EXECUTOR, paused_storage,   GAUGE, "1 while the storage stage is paused") \
	C(EXECUTOR, paused_sending,   GAUGE, "1 while sending is paused")

#define COUNTERS_SUBMITTER(C) \
	C(SUBMITTER, rpc_calls,       TOTAL, "JSON-RPC calls sent") \
	C(SUBMITTER, rpc_errors,      TOTAL, "JSON-RPC calls without a usable answer") \
	C(SUBMITTER, rpc_throttled,   TOTAL, "replies by which a node said that it was asked too often") \
	C(SUBMITTER, estimates,       TOTAL, "answers tried on the node before signing") \
	C(SUBMITTER, preflight_reverts, TOTAL, "answers the contract would have refused; nothing paid") \
	C(SUBMITTER, signed,          TOTAL, "new transactions signed") \
	C(SUBMITTER, sends,           TOTAL, "times transaction bytes went to a node") \
	C(SUBMITTER, resends,         TOTAL, "of these, bytes that had been sent before") \
	C(SUBMITTER, included,        TOTAL, "transactions included") \
	C(SUBMITTER, reverted,        TOTAL, "transactions included and reverted") \
	C(SUBMITTER, foreign_nonces,  TOTAL, "nonces of our account that others used") \
	C(SUBMITTER, gas_used,        TOTAL, "gas of included transactions") \
	C(SUBMITTER, in_flight,       GAUGE, "transactions sent and not included") \
	C(SUBMITTER, waiting,         GAUGE, "answers not signed yet") \
	C(SUBMITTER, balance_gwei,    GAUGE, "balance of our account")

#define COUNTERS_SIGNER(C) \
	C(SIGNER, signed,             TOTAL, "new transactions signed") \
	C(SIGNER, repeated,           TOTAL, "transactions answered again, byte for byte") \
	C(SIGNER, refused,            TOTAL, "requests the policy refused") \
	C(SIGNER, bad_packets,        TOTAL, "packets that closed the link") \
	C(SIGNER, syncs,              TOTAL, "syncs of the journal") \
	C(SIGNER, next_nonce,         GAUGE, "next nonce") \
	C(SIGNER, journal_bytes,      GAUGE, "size of the journal")

#define COUNTERS_MONITOR(C) \
	C(MONITOR, requests,          TOTAL, "HTTP requests answered") \
	C(MONITOR, bad_requests,      TOTAL, "HTTP requests refused") \
	C(MONITOR, clients,           GAUGE, "connected clients") \
	C(MONITOR, streams,           GAUGE, "clients that follow /v1/events") \
	C(MONITOR, changes,           TOTAL, "changes of state told to them") \
	C(MONITOR, streams_refused,   TOTAL, "clients of /v1/events for whom there was no place") \
	C(MONITOR, streams_dropped,   TOTAL, "clients of /v1/events that took nothing and were cut off")

/* The supervisor counts what befalls its children; one row for each role in its own page. */
#define COUNTERS_SUPERVISOR(C) \
	C(SUPERVISOR, starts,         TOTAL, "children started") \
	C(SUPERVISOR, deaths,         TOTAL, "children that ended by themselves") \
	C(SUPERVISOR, hangs,          TOTAL, "children killed because their loop did not turn") \
	C(SUPERVISOR, reloads,        TOTAL, "configurations applied") \
	C(SUPERVISOR, bad_reloads,    TOTAL, "configurations refused")

#define COUNTERS_ALL(C) \
	COUNTERS_SUPERVISOR(C) COUNTERS_LISTENER(C) COUNTERS_EXECUTOR(C) COUNTERS_SUBMITTER(C) \
	COUNTERS_SIGNER(C) COUNTERS_MONITOR(C)
/* clang-format on */

#define COUNTERS_MAX 48		/* of one process */

/* CNT_<ROLE>_<name>: the index in that process's page */
#define C(role, name, how, text) CNT_##role##_##name,
enum { COUNTERS_SUPERVISOR(C) };
enum { COUNTERS_LISTENER(C) };
enum { COUNTERS_EXECUTOR(C) };
enum { COUNTERS_SUBMITTER(C) };
enum { COUNTERS_SIGNER(C) };
enum { COUNTERS_MONITOR(C) };
#undef C

/* A note that begins with this: only an operator can make room. */
#define NOTE_DISK_FULL "the disk is full"

#define COUNTER_PAGE_MAGIC 0x4b43504731000001ull

/* One page of shared memory (4,096 bytes).  The owner writes with relaxed atomics. */
struct counter_page {
	uint64_t magic;
	uint64_t role;			/* enum ipc_role */
	uint64_t pid;			/* of the process that writes now */
	uint64_t started_ms;		/* monotonic milliseconds */
	uint64_t ready_ms;		/* monotonic; 0 until it can do its work */
	uint64_t beat_ms;		/* monotonic; each turn of the loop, at least once a second */
	uint64_t restarts;		/* written by the supervisor */
	uint64_t spare;
	uint64_t value[COUNTERS_MAX];
	char note[256];			/* what the process waits for, for status; NUL-terminated */
};
