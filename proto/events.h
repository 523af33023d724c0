/*
 * events - every line the log can say, once: code, name, level, what it means, what to do.
 *
 * The code is for ever.  `kms-connector explain CODE` and the log's hint= come from here.
 * A line says a change of state; retries are counted, not logged.
 */
#pragma once

/* clang-format off */
#define EVENTS_ALL(E) \
	E(G001, started,          INFO,  "the process runs", "") \
	E(G002, stopping,         INFO,  "asked to stop", "") \
	E(G003, link_up,          INFO,  "a sibling process is connected", "") \
	E(G004, link_down,        INFO,  "a sibling process is gone; it is connected again by itself", "") \
	E(G005, link_refused,     WARN,  "a sibling sent a packet that is not allowed; the link was closed", "if it repeats, all programs must be of one build: reinstall and restart") \
	E(G006, link_stranger,    WARN,  "a process of another user or build tried to connect", "check who may write to the runtime directory") \
	E(G007, bug,              ERROR, "a check of our own failed; the process ends and is restarted", "report this line") \
	E(G008, no_confinement,   WARN,  "built without confinement", "only for tests: install a release build") \
	E(G009, settings,         ERROR, "the settings handed to this process are not usable", "report this line") \
	E(S001, child_started,    INFO,  "a process was started", "") \
	E(S002, child_ready,      INFO,  "a process can do its work", "") \
	E(S003, child_died,       WARN,  "a process ended and is started again", "nothing, unless it repeats") \
	E(S004, child_hung,       WARN,  "a process did not turn its loop for 10 s and was killed", "nothing, unless it repeats") \
	E(S005, child_waits,      ERROR, "a process cannot run with this configuration; it waits for another", "read its last line, correct the configuration, kms-connector reload") \
	E(S006, all_ready,        INFO,  "all processes can do their work", "") \
	E(S007, reloaded,         INFO,  "a new configuration is in force", "") \
	E(S008, reload_refused,   ERROR, "the new configuration is not usable; the old one stays", "kms-connector check") \
	E(L001, ws_lost,          INFO,  "the WebSocket is lost; polling goes on", "") \
	E(L002, ws_up,            INFO,  "the WebSocket is connected", "") \
	E(L003, node_down,        WARN,  "no chain node answers", "check the node and gwl2_url; reading goes on by itself") \
	E(L004, node_up,          INFO,  "a chain node answers", "") \
	E(L005, wrong_chain,      ERROR, "a chain node is on another chain; it is not used", "correct its URL or chain_id") \
	E(L006, reply_refused,    WARN,  "a chain node's reply is malformed, too large or contradicts itself", "nothing, unless it repeats: use another node") \
	E(L007, node_behind,      WARN,  "a chain node is behind what was read before; nothing is believed until it catches up", "nothing, unless it lasts") \
	E(L008, undecodable,      WARN,  "a log of a watched contract cannot be decoded; it is held raw and reading goes on", "kms-connector show ID; contracts newer than the profile need another profile") \
	E(L009, reorg,            WARN,  "blocks left the chain", "") \
	E(L010, deep_reorg,       ERROR, "a finalized block left the chain; this chain is paused until two endpoints agree", "check the node") \
	E(L011, no_contract,      ERROR, "there is no contract at a configured address", "correct the address or the chain node") \
	E(L012, caught_up,        INFO,  "everything up to the head has been read", "") \
	E(L013, no_bloom,         WARN,  "the chain's headers do not name their logs; every block is asked for", "") \
	E(L014, parent_down,      WARN,  "no node of the parent chain answers; settled stays where it is", "check the node and parent_chain.urls; it is asked again by itself") \
	E(L015, parent_up,        INFO,  "a node of the parent chain answers", "") \
	E(L016, parent_doubted,   WARN,  "the parent chain says what cannot be believed; settled stays where it is", "if it lasts: correct parent_chain, or use another node of it") \
	E(L017, parent_silent,    WARN,  "the Outbox has said nothing in the blocks that were read; it is read on", "nothing on a new chain; else check parent_chain.outbox_address and start_block") \
	E(L018, settles,          INFO,  "the parent chain has settled a block", "") \
	E(L019, unknown_event,    WARN,  "a contract is newer than the profile: it emits an event that the profile does not know", "use a profile of the contract's date, since there may be requests that nobody hears; if the event is of no interest, add its line to other_events in the profile; then kms-connector reload") \
	E(L020, look_failed,      WARN,  "it cannot be seen whether the contracts emit events that the profile does not know; requests are read all the same", "nothing, unless it lasts: use a node that serves eth_getLogs without topics") \
	E(L021, logs_left_out,    WARN,  "the node left out logs that a block has; they were read in another way", "if it lasts: use another node, this one loses requests") \
	E(X001, core_down,        WARN,  "the Core cannot be reached; requests wait", "check the Core; it is asked again by itself") \
	E(X002, core_up,          INFO,  "the Core answers again", "") \
	E(X003, core_forgot,      INFO,  "the Core does not know a request any more; it is asked again", "") \
	E(X004, core_wrong,       WARN,  "the Core's answer is not for what was asked", "if it repeats, check the Core") \
	E(X005, core_signature,   ERROR, "the Core's signature is not of this node's registered identity", "kms_signer_address, the Core's key and the registration must agree") \
	E(X006, fetch_failed,     WARN,  "a ciphertext cannot be had; it is asked for again", "check the bucket that the line names") \
	E(X007, storage_paused,   WARN,  "ciphertexts cannot be had; fetching is paused but for a canary", "check the buckets; it clears by itself") \
	E(X008, storage_up,       INFO,  "ciphertexts can be had again", "") \
	E(X009, refused,          WARN,  "a request can never succeed", "kms-connector show ID") \
	E(X010, held,             ERROR, "a request needs an operator", "kms-connector show ID, then retry or drop") \
	E(X011, expired,          WARN,  "a request's deadline passed", "kms-connector show ID") \
	E(X012, done,             INFO,  "a request is done", "") \
	E(X013, store_failed,     ERROR, "the store cannot be written; the process ends", "check disk and data_dir") \
	E(X014, store_opened,     INFO,  "the store is open", "") \
	E(X015, core_busy,        INFO,  "the Core asks for less; concurrency is halved", "") \
	E(X016, core_paused,      WARN,  "the Core refuses this node; the stage is paused", "check credentials; it is asked again and again, at most 30 s apart") \
	E(X017, not_registered,   WARN,  "the chain does not list this node's account or identity", "register the node; asked again every minute") \
	E(X018, conflict,         WARN,  "the same request id came with other content", "kms-connector show ID") \
	E(X019, edge,             WARN,  "something happened to a request that its state does not know", "report this line") \
	E(X020, observed,         INFO,  "a key was activated, or is to be", "") \
	E(X021, sending_paused,   WARN,  "answers wait: sending is paused", "see why= and clears=") \
	E(X022, sending_on,       INFO,  "answers are sent again", "") \
	E(X023, core_odd,         WARN,  "the Core answers again and again what was not expected; the stage is paused", "see why=; one request is tried again and again, at most 30 s apart") \
	E(X024, credentials_bad,  ERROR, "the credentials of the storage are not usable", "correct the file that s3_config.credentials_file names, kms-connector reload") \
	E(X028, current_key,      INFO,  "the current key", "") \
	E(X025, access_denied,    WARN,  "the access control does not permit a request; it is asked again", "nothing: chain nodes may be behind") \
	E(X026, preprocessing_lost, WARN, "the Core has forgotten a preprocessing that a key waits for; it is made again", "keep the Core's memory across restarts, or expect the key to take longer") \
	E(X027, preprocessing_made, INFO, "the preprocessing is there again", "") \
	E(X029, core_full,        WARN,  "the Core takes no more requests; they wait", "nothing, unless it lasts: the Core has more to do than it can; one request is tried each second") \
	E(X030, disk_full,        ERROR, "there is no room for the store; nothing new is taken", "make room on the file system of data_dir; it goes on by itself") \
	E(X031, disk_room,        INFO,  "there is room for the store again", "") \
	E(X040, observes,         INFO,  "sending: observe: answers are compared with what the node sends, never sent", "") \
	E(X041, differs,          ERROR, "another connector of this node has sent another answer than ours would be", "kms-connector show ID; find out which of the two is wrong before switching") \
	E(T001, paused,           WARN,  "sending is paused", "see why= and clears=") \
	E(T002, resumed,          INFO,  "sending goes on", "") \
	E(T003, foreign_nonce,    ERROR, "another program uses our account", "stop the other program; one account belongs to one connector") \
	E(T004, reverted,         ERROR, "a transaction was included and reverted", "kms-connector show ID") \
	E(T005, node_down,        WARN,  "no chain node answers; answers wait", "check the node; sending goes on by itself") \
	E(T006, node_up,          INFO,  "a chain node answers", "") \
	E(T007, resent,           INFO,  "signed bytes of an earlier run are sent again", "") \
	E(T008, adopted,          WARN,  "the chain is ahead of the journal; its nonce was adopted", "one account belongs to one connector") \
	E(T009, signer_refused,   ERROR, "the signer refuses an answer", "kms-connector show ID") \
	E(T010, node_error,       WARN,  "a chain node cannot try an answer; it is tried again", "nothing, unless it repeats: use another node") \
	E(K001, key_open,         INFO,  "the key is open", "") \
	E(K002, refused,          WARN,  "a signature was refused", "if it repeats, a sibling process may be in wrong hands") \
	E(K003, journal_cut,      WARN,  "the journal ended in half a record, as a crash leaves it; it was cut there", "") \
	E(K004, journal_bad,      ERROR, "the journal is not usable", "restore it, or start a new account: see the manual") \
	E(K005, journal_full,     INFO,  "the journal goes on in a new segment", "") \
	E(K006, budget,           WARN,  "a budget is used up", "sign.hour and sign.day limit what may be spent") \
	E(K007, journal_failed,   ERROR, "the journal cannot be written; the process ends", "check disk and data_dir") \
	E(K008, replaced,         WARN,  "another transaction of the same request was signed; the first one's nonce is gone", "") \
	E(K009, key_bad,          ERROR, "the key is not usable", "check key_file: 64 hexadecimal digits, the key of the configured account") \
	E(K010, adopted,          INFO,  "the account's next nonce was said", "") \
	E(K011, disk_full,        ERROR, "there is no room for the journal; nothing is signed", "make room on the file system of data_dir; it goes on by itself") \
	E(K012, disk_room,        INFO,  "there is room for the journal again", "") \
	E(M001, listening,        INFO,  "the window for operators is open", "") \
	E(M002, stream_dropped,   WARN,  "a client of /v1/events took nothing of what waited for it and was cut off", "nothing: it held up nobody, and may come back with its Last-Event-ID")
/* clang-format on */

enum log_event {
#define E(code, name, level, text, hint) EV_##code##_##name,
	EVENTS_ALL(E)
#undef E
	EV_COUNT
};
