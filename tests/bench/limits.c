/*
 * limits - what the parts of one answer cost on this machine: the unit prices that `make bench`
 * prints beside the connector's figures.
 *
 *	limits --dir DIR --core HOST:PORT --url URL
 *
 * DIR lies on the disk of the data directory.  HOST:PORT is a KMS Core, which is asked for a method
 * that it does not have; URL a body of 4 KiB.  Prints one JSON object.  Prices are microseconds of
 * this process's processor time; *_per_s are wall time.  Of some rounds the best one counts: other
 * programs use the same cores.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <secp256k1_recovery.h>
#include <sqlite3.h>

#include "common/keccak.h"
#include "common/log.h"
#include "tests/peers/peer.h"

#define ROUNDS       5
#define IN_FLIGHT    32
#define ROWS_AT_ONCE 32 /* rows in one commit, about as many as in the connector's */

struct places {
	const char *dir, *core, *url;
};

/* Work that is repeated so often in a round; returns how many units it was. */
struct limit {
	const char *name;
	unsigned (*round)(void *self);
	void *self;
};

static double wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void)
{
	struct rusage r;

	check(getrusage(RUSAGE_SELF, &r) == 0);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static double best_of(double (*clock_us)(void), unsigned (*round)(void *self), void *self)
{
	double best = 1e18;

	round(self); /* caches, connections */
	for (int i = 0; i < ROUNDS; i++) {
		double began = clock_us();
		unsigned n = round(self);
		double each = (clock_us() - began) / n;
		best = each < best ? each : best;
	}
	return best;
}

/* ---- signatures ---- */

struct curve {
	secp256k1_context *ctx;
	secp256k1_ecdsa_recoverable_signature sig;
};

static const uint8_t secret[32] = { 1, 2, 3 }, digest[32] = { 4, 5, 6 };

static unsigned sign(void *self)
{
	struct curve *c = self;

	for (int i = 0; i < 500; i++)
		check(secp256k1_ecdsa_sign_recoverable(c->ctx, &c->sig, digest, secret, NULL,
						       NULL));
	return 500;
}

static unsigned recover(void *self)
{
	struct curve *c = self;
	secp256k1_pubkey key;

	for (int i = 0; i < 500; i++)
		check(secp256k1_ecdsa_recover(c->ctx, &key, &c->sig, digest));
	return 500;
}

/* ---- keccak, by the KiB, of bodies of 4 KiB ---- */

static unsigned hash_bodies(void *self)
{
	static uint8_t body[4096];

	(void)self;
	for (int i = 0; i < 200; i++)
		keccak256(body, sizeof(body), body);
	return 200 * sizeof(body) / 1024;
}

/* ---- rows and syncs ---- */

struct table {
	sqlite3 *db;
	sqlite3_stmt *row;
	uint64_t number;
};

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		peer_die("%s: %s", sql, sqlite3_errmsg(db));
}

static void open_table(struct table *t, const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/limits.db", dir);
	if (sqlite3_open(path, &t->db) != SQLITE_OK)
		peer_die("%s cannot be opened", path);
	run_sql(t->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		       "CREATE TABLE t(n INTEGER PRIMARY KEY, id BLOB, state INTEGER, data BLOB);"
		       "CREATE INDEX t_id ON t(id); CREATE INDEX t_state ON t(state, n);");
	check(sqlite3_prepare_v2(t->db, "INSERT INTO t VALUES(?1, ?2, ?3, ?4)", -1, &t->row,
				 NULL) == SQLITE_OK);
}

static unsigned put_rows(void *self)
{
	struct table *t = self;
	static uint8_t data[1024];

	for (int commit = 0; commit < 16; commit++) {
		run_sql(t->db, "BEGIN IMMEDIATE");
		for (int i = 0; i < ROWS_AT_ONCE; i++) {
			keccak256(&t->number, sizeof(t->number), data);
			sqlite3_bind_int64(t->row, 1, (sqlite3_int64)++t->number);
			sqlite3_bind_blob(t->row, 2, data, 32, SQLITE_STATIC);
			sqlite3_bind_int(t->row, 3, i % 7);
			sqlite3_bind_blob(t->row, 4, data, sizeof(data), SQLITE_STATIC);
			check(sqlite3_step(t->row) == SQLITE_DONE);
			sqlite3_reset(t->row);
		}
		run_sql(t->db, "COMMIT");
	}
	return 16 * ROWS_AT_ONCE;
}

static unsigned sync_disk(void *self)
{
	static const uint8_t record[1024];
	int fd = *(int *)self;

	for (int i = 0; i < 32; i++)
		check(write(fd, record, sizeof(record)) == sizeof(record) && fdatasync(fd) == 0);
	return 32;
}

/* ---- a packet from one process to the other ---- */

static unsigned hop(void *self)
{
	int *fd = self;
	uint8_t packet[700] = { 0 };

	for (int i = 0; i < 2000; i++)
		check(send(fd[0], packet, sizeof(packet), 0) == sizeof(packet) &&
		      recv(fd[1], packet, sizeof(packet), 0) == sizeof(packet));
	return 2000;
}

/* ---- a bare gRPC client ---- */

struct client {
	grpc_completion_queue *cq;
	grpc_channel *channel;
};

struct bare_call {
	grpc_call *call;
	grpc_byte_buffer *request, *response;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice details;
};

static void start_call(struct client *c)
{
	struct bare_call *b = calloc(1, sizeof(*b));
	grpc_slice body = grpc_slice_malloc(100);
	grpc_op ops[6];

	check(b != NULL);
	memset(ops, 0, sizeof(ops));
	memset(GRPC_SLICE_START_PTR(body), 0, 100);
	b->request = grpc_raw_byte_buffer_create(&body, 1);
	grpc_slice_unref(body);
	b->details = grpc_empty_slice();
	grpc_metadata_array_init(&b->initial);
	grpc_metadata_array_init(&b->trailing);
	b->call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->cq,
					   grpc_slice_from_static_string("/limits/None"), NULL,
					   gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = b->request;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &b->initial;
	ops[4].op = GRPC_OP_RECV_MESSAGE;
	ops[4].data.recv_message.recv_message = &b->response;
	ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[5].data.recv_status_on_client.trailing_metadata = &b->trailing;
	ops[5].data.recv_status_on_client.status = &b->status;
	ops[5].data.recv_status_on_client.status_details = &b->details;
	check(grpc_call_start_batch(b->call, ops, 6, b, NULL) == GRPC_CALL_OK);
}

static void finish_call(struct client *c)
{
	grpc_event ev = grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	struct bare_call *b = ev.tag;

	check(ev.type == GRPC_OP_COMPLETE);
	if (b->status != GRPC_STATUS_UNIMPLEMENTED)
		peer_die("the Core answers %d", b->status);
	grpc_metadata_array_destroy(&b->initial);
	grpc_metadata_array_destroy(&b->trailing);
	grpc_byte_buffer_destroy(b->request);
	grpc_byte_buffer_destroy(b->response);
	grpc_slice_unref(b->details);
	grpc_call_unref(b->call);
	free(b);
}

static unsigned call_core(void *self)
{
	struct client *c = self;
	unsigned started = 0, finished = 0;

	for (; finished < 1500; finished++) {
		for (; started < 1500 && started - finished < IN_FLIGHT; started++)
			start_call(c);
		finish_call(c);
	}
	return finished;
}

static void open_client(struct client *c, const char *core)
{
	grpc_init();
	grpc_channel_credentials *open = grpc_insecure_credentials_create();

	c->cq = grpc_completion_queue_create_for_next(NULL);
	c->channel = grpc_channel_create(core, open, NULL);
	grpc_channel_credentials_release(open);
}

/* ---- a bare HTTP client ---- */

static size_t take_nothing(char *p, size_t size, size_t n, void *owner)
{
	(void)p, (void)owner;
	return size * n;
}

static unsigned get_url(void *self)
{
	for (int i = 0; i < 300; i++)
		if (curl_easy_perform(self) != CURLE_OK)
			peer_die("the URL cannot be had");
	return 300;
}

static CURL *open_url(const char *url)
{
	CURL *c = curl_easy_init();

	check(c != NULL);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_nothing);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	return c;
}

static struct places read_places(int argc, char **argv)
{
	struct places p = {
		.dir = peer_option(argc, argv, "dir"),
		.core = peer_option(argc, argv, "core"),
		.url = peer_option(argc, argv, "url"),
	};

	if (!p.dir || !p.core || !p.url)
		peer_die("limits --dir DIR --core HOST:PORT --url URL");
	return p;
}

int main(int argc, char **argv)
{
	peer_begin();

	struct places at = read_places(argc, argv);
	struct curve curve = { .ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN |
							       SECP256K1_CONTEXT_VERIFY) };
	struct table table = { 0 };
	struct client client;
	int pair[2], file;
	char path[512];

	snprintf(path, sizeof(path), "%s/limits.log", at.dir);
	file = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	check(file >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	open_table(&table, at.dir);
	open_client(&client, at.core);

	const struct limit limits[] = {
		{ "sign", sign, &curve },
		{ "recover", recover, &curve },
		{ "keccak_kib", hash_bodies, NULL },
		{ "sqlite_row", put_rows, &table },
		{ "hop", hop, pair },
		{ "grpc_call", call_core, &client },
		{ "http_request", get_url, open_url(at.url) },
	};
	printf("{");
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		printf("\"%s\":%.2f,", limits[i].name,
		       best_of(cpu_us, limits[i].round, limits[i].self));
	printf("\"syncs_per_s\":%.0f,", 1e6 / best_of(wall_us, sync_disk, &file));
	printf("\"grpc_calls_per_s\":%.0f,", 1e6 / best_of(wall_us, call_core, &client));
	printf("\"signatures_per_s\":%.0f}\n", 1e6 / best_of(wall_us, sign, &curve));
	return 0;
}
