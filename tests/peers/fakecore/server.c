/* server - each call is armed, comes, is replied to in one batch, and is freed. */

#include "tests/peers/fakecore/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>

#include "common/log.h"
#include "proto/kms.pb-c.h"
#include "tests/peers/peer.h"
#include "tests/peers/trace.h"

#define SERVICE       "/kms_service.v1.CoreServiceEndpoint/"
#define ARMED 64			/* calls waited for, of each method */
#define METHODS       (2 * KINDS_COUNT)
#define UNIMPLEMENTED 12

enum what { CAME, CLOSED, SENT };

/* What the completion queue gives back. */
struct tag {
	struct tag *next;
	struct pending *pending;
	enum what what;
	bool ok;
};

struct pending {
	struct call call;
	struct server *server;
	grpc_call *grpc;
	grpc_metadata_array metadata;
	grpc_call_details target;	/* of methods that nobody registered */
	grpc_byte_buffer *payload, *reply;
	grpc_slice details;
	gpr_timespec deadline;
	int cancelled;
	int method;			/* METHODS: not registered */
	unsigned out;			/* batches that are out */
	bool waits, replied;
	struct tag tag[3];
};

struct server {
	struct loop *loop;
	struct waker *waker;
	grpc_completion_queue *cq;
	grpc_server *grpc;
	void *method[METHODS];
	const struct server_events *events;
	void *owner;
	_Atomic(struct tag *) finished;	/* pushed by the thread, taken by the loop */
};

static void *wait_main(void *arg)
{
	struct server *s = arg;

	for (;;) {
		grpc_event ev =
			grpc_completion_queue_next(s->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		struct tag *tag = ev.tag, *head = atomic_load(&s->finished);
		tag->ok = ev.success;
		do
			tag->next = head;
		while (!atomic_compare_exchange_weak(&s->finished, &head, tag));
		if (!head)
			waker_wake(s->waker);
	}
}

static struct tag *tag_of(struct pending *p, enum what what)
{
	p->tag[what].pending = p;
	p->tag[what].what = what;
	return &p->tag[what];
}

static void arm(struct server *s, int method)
{
	struct pending *p = calloc(1, sizeof(*p));
	grpc_call_error e;

	check(p != NULL);
	p->server = s;
	p->method = method;
	p->details = grpc_empty_slice();
	p->call.owner = s->owner;
	grpc_metadata_array_init(&p->metadata);
	grpc_call_details_init(&p->target);
	if (method == METHODS)
		e = grpc_server_request_call(s->grpc, &p->grpc, &p->target, &p->metadata, s->cq,
					     s->cq, tag_of(p, CAME));
	else
		e = grpc_server_request_registered_call(s->grpc, s->method[method], &p->grpc,
							&p->deadline, &p->metadata, &p->payload,
							s->cq, s->cq, tag_of(p, CAME));
	check(e == GRPC_CALL_OK);
}

static void free_pending(struct pending *p)
{
	if (p->call.message)
		protobuf_c_message_free_unpacked(p->call.message, NULL);
	timer_free(&p->call.timer);
	grpc_metadata_array_destroy(&p->metadata);
	grpc_call_details_destroy(&p->target);
	grpc_byte_buffer_destroy(p->payload);
	grpc_byte_buffer_destroy(p->reply);
	grpc_slice_unref(p->details);
	if (p->grpc)
		grpc_call_unref(p->grpc);
	free(p);
}

static void start_batch(struct pending *p, const grpc_op *ops, size_t count, enum what what)
{
	check(grpc_call_start_batch(p->grpc, ops, count, tag_of(p, what), NULL) == GRPC_CALL_OK);
	p->out++;
}

void call_wait(struct call *call)
{
	struct pending *p = (struct pending *)call;
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	if (p->waits)
		return;
	p->waits = true;
	op.data.recv_close_on_server.cancelled = &p->cancelled;
	start_batch(p, &op, 1, CLOSED);
}

static void trace(const struct pending *p, const char *start, const char *result)
{
	/* request_id is the first field of every message that starts something */
	const Kms__V1__PublicDecryptionRequest *m = (const void *)p->call.message;
	const Kms__V1__RequestId *id = p->call.is_result ? (const void *)m
				       : m               ? m->request_id
							 : NULL;
	struct b32 key;

	if (id &&
	    hex_decode_exact(id->request_id, strlen(id->request_id), key.b, sizeof(key.b)) == OK)
		trace_note(p->call.is_result ? result : start, &key);
}

void call_reply(struct call *call, int status, const char *details, struct bytes message)
{
	struct pending *p = (struct pending *)call;
	grpc_metadata gzip = {
		.key = grpc_slice_from_static_string("grpc-internal-encoding-request"),
		.value = grpc_slice_from_static_string("gzip"),
	};
	grpc_op ops[4];
	size_t n = 0;

	check(!p->replied);
	p->replied = true;
	trace(p, "started", "resulted");
	if (call->timer)
		timer_stop(call->timer);
	memset(ops, 0, sizeof(ops));
	ops[n].op = GRPC_OP_SEND_INITIAL_METADATA;
	if (call->compressed) {
		ops[n].data.send_initial_metadata.count = 1;
		ops[n].data.send_initial_metadata.metadata = &gzip;
	}
	n++;
	if (status == 0) {
		grpc_slice s = grpc_slice_from_copied_buffer((const char *)message.p, message.len);
		p->reply = grpc_raw_byte_buffer_create(&s, 1);
		grpc_slice_unref(s);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = p->reply;
	}
	p->details = grpc_slice_from_copied_string(details);
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = (grpc_status_code)status;
	ops[n++].data.send_status_from_server.status_details = &p->details;
	if (!p->waits) {
		ops[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
		ops[n++].data.recv_close_on_server.cancelled = &p->cancelled;
	}
	start_batch(p, ops, n, SENT);
}

const char *call_method(const struct call *call)
{
	const struct kind_row *row = &kind_rows[call->kind];

	return call->is_result ? row->result : row->start;
}

static void read_message(struct pending *p)
{
	const ProtobufCMessageDescriptor *type = p->call.is_result
							 ? &kms__v1__request_id__descriptor
							 : kind_rows[p->call.kind].request;
	grpc_byte_buffer_reader reader;

	if (!p->payload || !grpc_byte_buffer_reader_init(&reader, p->payload))
		return;
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	p->call.message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(all),
						    GRPC_SLICE_START_PTR(all));
	grpc_slice_unref(all);
	grpc_byte_buffer_destroy(p->payload);
	p->payload = NULL;
}

static void came(struct pending *p)
{
	struct server *s = p->server;

	arm(s, p->method);
	if (p->method == METHODS) {
		call_reply(&p->call, UNIMPLEMENTED, "no such method", BYTES("", 0));
		return;
	}
	p->call.kind = (enum kind)(p->method / 2);
	p->call.is_result = p->method % 2;
	read_message(p);
	trace(p, "start", "result");
	s->events->on_call(s->owner, &p->call);
	check(p->replied || p->waits);
}

static void finish(struct tag *tag)
{
	struct pending *p = tag->pending;

	if (tag->what == CAME) {
		if (tag->ok)
			came(p);
		else
			free_pending(p);
		return;
	}
	p->out--;
	if (tag->what == CLOSED && p->cancelled && !p->replied) {
		p->replied = true;
		p->server->events->on_gone(p->server->owner, &p->call);
	}
	if (p->replied && p->out == 0)
		free_pending(p);
}

static void on_finished(void *owner)
{
	struct server *s = owner;
	struct tag *tag = atomic_exchange(&s->finished, NULL), *oldest = NULL;

	while (tag) {		/* the list is newest first */
		struct tag *next = tag->next;
		tag->next = oldest;
		oldest = tag;
		tag = next;
	}
	while (oldest) {
		struct tag *next = oldest->next;
		finish(oldest);
		oldest = next;
	}
}

static void on_grpc_log(gpr_log_func_args *args)
{
	(void)args;
}

static grpc_server *new_server(void)
{
	static const struct {
		const char *key;
		int value;
	} want[] = {
		{ "grpc.max_receive_message_length", MESSAGE_MAX },
		{ "grpc.max_send_message_length", MESSAGE_MAX },
		{ "grpc.so_reuseport", 0 },
		{ "grpc.http2.max_ping_strikes", 0 },	/* pings as often as anyone likes */
		{ "grpc.keepalive_permit_without_calls", 1 },
	};
	grpc_arg arg[ARRAY_LEN(want)];

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		arg[i].type = GRPC_ARG_INTEGER;
		arg[i].key = (char *)(uintptr_t)want[i].key;
		arg[i].value.integer = want[i].value;
	}
	grpc_channel_args args = { .num_args = ARRAY_LEN(want), .args = arg };
	return grpc_server_create(&args, NULL);
}

static void register_methods(struct server *s)
{
	for (int i = 0; i < METHODS; i++) {
		const struct kind_row *row = &kind_rows[i / 2];
		char path[128];
		snprintf(path, sizeof(path), SERVICE "%s", i % 2 ? row->result : row->start);
		s->method[i] = grpc_server_register_method(
			s->grpc, path, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
		check(s->method[i] != NULL);
	}
}

struct server *server_open(struct loop *loop, uint16_t port, const struct server_events *events,
			   void *owner, uint16_t *port_out)
{
	struct server *s = calloc(1, sizeof(*s));
	char address[32];
	pthread_t thread;

	check(s != NULL);
	s->loop = loop;
	s->events = events;
	s->owner = owner;
	s->waker = waker_new(loop, on_finished, s);
	gpr_set_log_function(on_grpc_log);
	grpc_init();
	grpc_server_credentials *open = grpc_insecure_server_credentials_create();
	s->cq = grpc_completion_queue_create_for_next(NULL);
	s->grpc = new_server();
	register_methods(s);
	grpc_server_register_completion_queue(s->grpc, s->cq, NULL);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	int got = grpc_server_add_http2_port(s->grpc, address, open);
	if (got <= 0)
		peer_die("port %u cannot be had", port);
	grpc_server_credentials_release(open);
	*port_out = (uint16_t)got;
	grpc_server_start(s->grpc);
	for (int method = 0; method <= METHODS; method++)
		for (int i = 0; i < ARMED; i++)
			arm(s, method);
	check(pthread_create(&thread, NULL, wait_main, s) == 0);
	return s;
}
