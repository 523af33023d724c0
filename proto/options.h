/*
 * options - everything a configuration can say, once.
 *
 * The file's key is PATH; in the environment it is KMS_CONNECTOR_ and the path in upper case,
 * levels joined by "__" (members of lists can only be set in the file).  From these rows come
 * the checks, the lines that children receive, `kms-connector help options` and the manual.
 *
 * Types:
 *	text, words, flag, number	as they are; words are listed in LIMITS
 *	duration_s, duration_ms		with a unit: 250ms, 60s, 5m, 24h, 7d
 *	size				with a unit: 4096B, 64KiB, 128MiB, 1GiB
 *	gwei, eth			with a unit: 10gwei, 0.1gwei; 0.5eth; children get wei
 *	address				0x and 40 digits, EIP-55
 *	file				an absolute path
 *	listen				address:port
 *	origin				http(s)://host or http(s)://host:port
 *	label				lower-case letters, digits, hyphens and dots
 *	start				a block number, or an age such as 24h
 *	urls				one URL, or a list of URLs or of {name, url}
 *	endpoints			host:port, or a list of them
 *	list				of maps; its members have rows of their own
 *
 * FALLBACK is what counts when the file says nothing: NULL, it must be said; "", nothing.
 * SETTING is the line that children get; "" where supervisor/cli/resolve.c makes the lines.
 * CHILDREN: L listener, X executor, T submitter, K signer, M monitor, C kms-connector itself.
 */
#pragma once

#include <stdint.h>

#define TO_C 0x01
#define TO_L 0x02
#define TO_X 0x04
#define TO_T 0x08
#define TO_K 0x10
#define TO_M 0x20
#define TO_ALL (TO_C | TO_L | TO_X | TO_T | TO_K | TO_M)

#define ANY
#define BETWEEN(low, high) .min = (low), .max = (high)
#define WORDS(list) .words = (list)

#define FINALITY_WORDS "latest|confirmed|safe|finalized|settled"

/* name, path, type, limits, fallback, setting, children, what it is */
/* clang-format off */
#define OPTIONS(O) \
	O(service_name, "service_name", text, BETWEEN(1, 64), "kms-connector", \
	  "service_name", TO_ALL, \
	  "name of this connector in logs and metrics") \
	O(profile, "profile", text, BETWEEN(1, 200), "httpz", "", TO_L | TO_X | TO_T | TO_K, \
	  "generation of contracts; a name, or a path with a slash") \
	O(gwl2_url, "gwl2_url", urls, ANY, NULL, "", TO_L | TO_X | TO_T, \
	  "gateway chain: http(s) URLs for calls, ws(s) URLs to be woken up") \
	O(chain_id, "chain_id", number, BETWEEN(1, UINT64_MAX), NULL, "", \
	  TO_L | TO_X | TO_T | TO_K, "id of the gateway chain") \
	O(decryption_manager_address, "decryption_manager_address", address, ANY, "", "", \
	  TO_L | TO_X | TO_T | TO_K, "address of IDecryptionManager") \
	O(httpz_address, "httpz_address", address, ANY, "", "", TO_L | TO_X | TO_T | TO_K, \
	  "address of IHTTPZ") \
	O(access_control_address, "access_control_address", address, ANY, "", "", \
	  TO_L | TO_X | TO_T | TO_K, "address of the access control contract") \
	O(start_block, "start_block", start, ANY, NULL, "", TO_L, \
	  "where reading starts with an empty store: a block, or an age such as 24h") \
	O(chains, "chains", list, BETWEEN(1, 8), "", "", TO_L | TO_X | TO_T | TO_K, \
	  "several chains, instead of the options above and parent_chain") \
	O(chains_name, "chains[].name", text, BETWEEN(1, 31), NULL, "", TO_L | TO_X | TO_T, \
	  "name of the chain") \
	O(chains_id, "chains[].id", number, BETWEEN(1, UINT64_MAX), NULL, "", \
	  TO_L | TO_X | TO_T | TO_K, "id of the chain") \
	O(chains_urls, "chains[].urls", urls, ANY, NULL, "", TO_L | TO_X | TO_T, \
	  "http(s) URLs for calls, ws(s) URLs to be woken up") \
	O(chains_start_block, "chains[].start_block", start, ANY, NULL, "", TO_L, \
	  "where reading starts with an empty store: a block, or an age such as 24h") \
	O(chains_contracts, "chains[].contracts", addresses, ANY, NULL, "", \
	  TO_L | TO_X | TO_T | TO_K, "map of the profile's contract names to addresses") \
	O(chains_parent_urls, "chains[].parent_chain.urls", urls, ANY, "", "", TO_L, \
	  "chain that settles this one: http(s) URLs; without it settled is 8 days of chain time") \
	O(chains_parent_outbox, "chains[].parent_chain.outbox_address", address, ANY, "", "", TO_L, \
	  "address of this chain's Outbox there") \
	O(chains_parent_id, "chains[].parent_chain.id", number, BETWEEN(1, UINT64_MAX), "", "", \
	  TO_L, "id of the parent chain; without it, what its first node says") \
	O(chains_parent_start_block, "chains[].parent_chain.start_block", number, \
	  BETWEEN(0, UINT64_MAX), "", "", TO_L, \
	  "where the Outbox is read from; without it 50400 blocks before the finalized one") \
	O(parent_urls, "parent_chain.urls", urls, ANY, "", "", TO_L, \
	  "chain that settles the gateway chain: http(s) URLs; without it settled is 8 days of chain time") \
	O(parent_outbox, "parent_chain.outbox_address", address, ANY, "", "", TO_L, \
	  "address of the gateway chain's Outbox there") \
	O(parent_id, "parent_chain.id", number, BETWEEN(1, UINT64_MAX), "", "", TO_L, \
	  "id of the parent chain; without it, what its first node says") \
	O(parent_start_block, "parent_chain.start_block", number, BETWEEN(0, UINT64_MAX), "", "", \
	  TO_L, "where the Outbox is read from; without it 50400 blocks before the finalized one") \
	O(kms_core_endpoint, "kms_core_endpoint", endpoints, ANY, "", "", TO_X, \
	  "host:port of the KMS Core (gRPC)") \
	O(kms_core_endpoints, "kms_core_endpoints", endpoints, ANY, "", "", TO_X, \
	  "the same for several Cores of one node") \
	O(kms_signer_address, "kms_signer_address", address, ANY, NULL, "kms_signer_address", \
	  TO_X | TO_T | TO_K, "address of the key with which the Core signs its results") \
	O(core_mode, "core.mode", words, WORDS("threshold|centralized"), "threshold", \
	  "core.mode", TO_X, "kind of Core") \
	O(core_max_message, "core.max_message", size, BETWEEN(1 << 20, 1 << 30), "128MiB", \
	  "core.max_message", TO_X, "largest message to and from the Core") \
	O(core_keepalive, "core.keepalive", duration_s, BETWEEN(1, 3600), "20s", \
	  "core.keepalive_s", TO_X, \
	  "a Core that says nothing for so long is asked whether it is there; half of it to answer") \
	O(s3_endpoint, "s3_config.endpoint", origin, BETWEEN(1, 200), "", "", TO_X, \
	  "S3 server of s3:// buckets and s3_config.bucket; without it AWS in the region") \
	O(s3_region, "s3_config.region", label, BETWEEN(2, 32), "", "", TO_X, \
	  "region of the endpoint, for signatures; with an endpoint us-east-1 if not said") \
	O(s3_bucket, "s3_config.bucket", label, BETWEEN(3, 63), "", "s3.bucket", TO_X, \
	  "bucket at the endpoint that is asked when no registered one gives a ciphertext") \
	O(s3_style, "s3_config.style", words, WORDS("path|virtual"), "path", "s3.style", TO_X, \
	  "where the bucket's name stands: endpoint/bucket, or bucket.endpoint") \
	O(s3_credentials_file, "s3_config.credentials_file", file, ANY, "", "", TO_C, \
	  "signs for the endpoint: lines access_key=, secret_key=, session_token=; mode 0600") \
	O(s3_allow_private, "s3_config.allow_private", flag, ANY, "false", "s3.private_ok", TO_X, \
	  "may buckets registered on the chain be at private addresses") \
	O(verify_coprocessors, "verify_coprocessors", flag, ANY, "true", "", TO_C, \
	  "ciphertexts are taken from registered coprocessors only") \
	O(data_dir, "data_dir", file, ANY, "/var/lib/kms-connector", "data_dir", TO_C | TO_X, \
	  "the store and the journal of signed transactions") \
	O(runtime_dir, "runtime_dir", file, ANY, "/run/kms-connector", "runtime_dir", TO_ALL, \
	  "sockets") \
	O(key_file, "key_file", file, ANY, "", "", TO_C, \
	  "the account's key, 64 hex digits, mode 0600; without it data_dir/signer/key") \
	O(finality_public_decryption, "finality.public_decryption", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "wanted finality; without it the profile's") \
	O(finality_user_decryption, "finality.user_decryption", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(finality_preprocess_keygen, "finality.preprocess_keygen", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(finality_preprocess_ksk, "finality.preprocess_ksk", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(finality_keygen, "finality.keygen", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(finality_crsgen, "finality.crsgen", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(finality_ksk, "finality.ksk", words, WORDS(FINALITY_WORDS), \
	  "", "", TO_C, "as above") \
	O(request_deadline, "request_deadline", duration_s, BETWEEN(60, 31536000), "24h", \
	  "request_deadline_s", TO_X, "when an unanswered decryption expires") \
	O(decryption_timeout_secs, "decryption_timeout_secs", number, BETWEEN(1, 86400), "300", \
	  "decryption_timeout_s", TO_X, "seconds for one attempt at the Core") \
	O(retry_interval_secs, "retry_interval_secs", number, BETWEEN(1, 3600), "5", \
	  "retry_interval_s", TO_X, "seconds before the first repetition") \
	O(late_answers, "late_answers", words, WORDS("skip|send"), "skip", "late_answers", TO_X, \
	  "what becomes of answers that the contract no longer needs") \
	O(sending, "sending", words, WORDS("on|observe"), "on", "sending", TO_X | TO_T, \
	  "observe: never sends; compares with what another connector of this node sends") \
	O(sign_max_fee, "sign.max_fee", gwei, ANY, "10gwei", "sign.max_fee", TO_T | TO_K, \
	  "most that one unit of gas may cost") \
	O(sign_max_gas, "sign.max_gas", number, BETWEEN(21000, 1000000000), "8000000", \
	  "sign.max_gas", TO_T | TO_K, "most gas of one transaction") \
	O(sign_hour, "sign.hour", eth, ANY, "1eth", "sign.hour", TO_K, \
	  "most that may be spent in an hour") \
	O(sign_day, "sign.day", eth, ANY, "5eth", "sign.day", TO_K, \
	  "most that may be spent in a day") \
	O(window, "window", number, BETWEEN(1, 100000), "1024", "window", TO_X, \
	  "requests in memory at once") \
	O(body_budget, "body_budget", size, BETWEEN(1 << 20, 1ull << 40), "128MiB", \
	  "body_budget", TO_X, "bytes of ciphertext in memory at once") \
	O(user_signature, "user_signature", words, WORDS("off|required"), "off", \
	  "user_signature", TO_X, "required: the user's own signature is verified again") \
	O(monitor_listen, "monitor.listen", listen, ANY, "127.0.0.1:9464", "http.listen", TO_M, \
	  "where the window for operators listens (HTTP)") \
	O(poll_interval, "poll_interval", duration_ms, BETWEEN(20, 60000), "250ms", \
	  "poll_ms", TO_T, "how often the chain is asked for its head") \
	O(log_format, "log.format", words, WORDS("logfmt|json"), "logfmt", "log.format", TO_ALL, \
	  "form of log lines") \
	O(log_level, "log.level", words, WORDS("debug|info|warn|error"), "info", \
	  "log.level", TO_ALL, "least level that is logged") \
	O(user, "user", text, BETWEEN(0, 32), "", "", TO_C, \
	  "when started as root: who runs all processes without a row in users") \
	O(users_listener, "users.listener", text, BETWEEN(0, 32), "", "", TO_C, "who runs it") \
	O(users_executor, "users.executor", text, BETWEEN(0, 32), "", "", TO_C, "who runs it") \
	O(users_submitter, "users.submitter", text, BETWEEN(0, 32), "", "", TO_C, "who runs it") \
	O(users_signer, "users.signer", text, BETWEEN(0, 32), "", "", TO_C, "who runs it") \
	O(users_monitor, "users.monitor", text, BETWEEN(0, 32), "", "", TO_C, "who runs it")

/*
 * Options of the design that this version does not have: an error, never silence.
 * path (with all below it), the one value that changes nothing ("": none), what is missing
 */
#define UNSUPPORTED(U) \
	U("core.tls", "", "the Core is spoken to without TLS: let it listen on a private network") \
	U("verify_coprocessors", "true", "ciphertexts are taken from registered coprocessors only")
/* clang-format on */

enum option_type {
	OPT_TYPE_text, OPT_TYPE_words, OPT_TYPE_flag, OPT_TYPE_number, OPT_TYPE_duration_s,
	OPT_TYPE_duration_ms, OPT_TYPE_size, OPT_TYPE_gwei, OPT_TYPE_eth, OPT_TYPE_address,
	OPT_TYPE_file, OPT_TYPE_listen, OPT_TYPE_start, OPT_TYPE_urls, OPT_TYPE_endpoints,
	OPT_TYPE_addresses, OPT_TYPE_list, OPT_TYPE_origin, OPT_TYPE_label,
};

enum option {
#define O(name, path, type, limits, fallback, setting, children, text) OPT_##name,
	OPTIONS(O)
#undef O
	OPTION_COUNT
};

struct option_row {
	const char *path;
	enum option_type type;
	uint64_t min, max;		/* numbers: value; texts: characters; list: members */
	const char *words;		/* "a|b" */
	const char *fallback;		/* NULL: it must be said */
	const char *setting;
	unsigned children;
	const char *text;
};
