/* core - gRPC's C core: one batch of six operations for each call, one thread that waits. */

#include "executor/core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

#include "common/log.h"

struct core {
	struct loop *loop;
	struct waker *waker;
	grpc_completion_queue *cq;
	grpc_channel *channel[CORES_MAX][CORE_LANES];
	unsigned channels;
	pthread_t thread;
	_Atomic(struct core_call *) finished;	/* pushed by the thread, taken by the loop */
	unsigned in_flight;
	bool closing;
};

struct core_call {
	struct core *core;
	struct core_call *next;
	grpc_channel *channel;		/* borrowed from core */
	grpc_call *call;
	grpc_byte_buffer *request, *response;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice details;
	const char *error;
	void (*on_done)(void *owner, const struct core_reply *r);
	void *owner;
};

const char *core_status_name(int status)
{
	static const char *const names[] = {
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
		"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
		"UNAUTHENTICATED",
	};
	return status >= 0 && status < (int)ARRAY_LEN(names) ? names[status] : "UNKNOWN";
}

/* The only thread that waits.  A finished call goes to the loop through a lock-free list. */
static void *wait_main(void *arg)
{
	struct core *c = arg;

	for (;;) {
		grpc_event ev = grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		struct core_call *call = ev.tag;
		struct core_call *head = atomic_load(&c->finished);
		do
			call->next = head;
		while (!atomic_compare_exchange_weak(&c->finished, &head, call));
		if (!head)
			waker_wake(c->waker);
	}
}

static void free_call(struct core_call *call)
{
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	grpc_byte_buffer_destroy(call->request);
	grpc_byte_buffer_destroy(call->response);
	grpc_slice_unref(call->details);
	gpr_free((void *)(uintptr_t)call->error);
	grpc_call_unref(call->call);
	free(call);
}

static void copy_details(const struct core_call *call, char out[CORE_DETAILS_MAX])
{
	size_t n = GRPC_SLICE_LENGTH(call->details);

	if (n > CORE_DETAILS_MAX - 1)
		n = CORE_DETAILS_MAX - 1;
	memcpy(out, GRPC_SLICE_START_PTR(call->details), n);
	out[n] = 0;
	for (char *s = out; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e || *s == '"')
			*s = '.';
}

/* gRPC's words for a message over the limit of either side, whoever says them. */
static bool is_too_large(const struct core_call *call)
{
	static const char words[] = "message larger than max";

	return call->status == GRPC_STATUS_RESOURCE_EXHAUSTED &&
	       memmem(GRPC_SLICE_START_PTR(call->details), GRPC_SLICE_LENGTH(call->details), words,
		      sizeof(words) - 1);
}

/*
 * gRPC says in its own error text whether the peer sent the status, but says so too of the
 * UNAVAILABLE that it makes itself when the connection is lost, and of answers that are too large.
 */
static bool is_from_peer(const struct core_call *call)
{
	if (is_too_large(call))
		return false;
	if (!call->error)
		return true;
	if (!strstr(call->error, "Error received from peer"))
		return false;
	return call->status != GRPC_STATUS_UNAVAILABLE ||
	       grpc_channel_check_connectivity_state(call->channel, 0) == GRPC_CHANNEL_READY;
}

static void finish(struct core_call *call)
{
	struct core_reply r = { .status = (int)call->status };
	grpc_slice all = grpc_empty_slice();
	grpc_byte_buffer_reader reader;

	r.from_peer = is_from_peer(call);
	copy_details(call, r.details);
	if (r.status == CORE_OK && call->response &&
	    grpc_byte_buffer_reader_init(&reader, call->response)) {
		all = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
		r.message = BYTES(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
	}
	if (call->on_done)
		call->on_done(call->owner, &r);
	grpc_slice_unref(all);
}

static void on_finished(void *owner)
{
	struct core *c = owner;
	struct core_call *call = atomic_exchange(&c->finished, NULL), *oldest = NULL;

	while (call) {		/* the list is newest first */
		struct core_call *next = call->next;
		call->next = oldest;
		oldest = call;
		call = next;
	}
	while (oldest) {
		struct core_call *next = oldest->next;
		finish(oldest);
		free_call(oldest);
		c->in_flight--;
		oldest = next;
	}
}

static void on_grpc_log(gpr_log_func_args *args)
{
	(void)args;	/* statuses tell what matters; the library's own lines are not ours */
}

static grpc_channel *new_channel(const char *endpoint, int lane, size_t message_max,
				 unsigned keepalive_s)
{
	int max = message_max > INT32_MAX ? INT32_MAX : (int)message_max;
	struct {
		const char *key;
		int value;
	} want[] = {
		{ "grpc.max_receive_message_length", max },
		{ "grpc.max_send_message_length", max },
		{ "grpc.keepalive_time_ms", 1000 * (int)keepalive_s },
		{ "grpc.keepalive_timeout_ms", 500 * (int)keepalive_s },
		{ "grpc.keepalive_permit_without_calls", 1 },	/* both lanes die together */
		{ "grpc.http2.max_pings_without_data", 0 },
		{ "grpc.initial_reconnect_backoff_ms", 100 },
		{ "grpc.max_reconnect_backoff_ms", 500 },
		{ "grpc.min_reconnect_backoff_ms", 2000 },	/* that is: for one attempt */
		/* A compressed answer would be measured when it is large already. */
		{ "grpc.compression_enabled_algorithms_bitset", 1 },
		{ "grpc.per_message_decompression", 0 },
		{ "grpc.enable_retries", 0 },
		{ "grpc.enable_http_proxy", 0 },
		{ "grpc.service_config_disable_resolution", 1 },
		{ "kms.lane", lane },	/* channels that differ do not share connections */
	};
	grpc_arg arg[ARRAY_LEN(want)];

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		arg[i].type = GRPC_ARG_INTEGER;
		arg[i].key = (char *)(uintptr_t)want[i].key;
		arg[i].value.integer = want[i].value;
	}
	grpc_channel_args args = { .num_args = ARRAY_LEN(want), .args = arg };
	grpc_channel_credentials *creds = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create(endpoint, creds, &args);
	grpc_channel_credentials_release(creds);
	return channel;
}

struct core *core_new(struct loop *loop, const char *const *endpoints, unsigned endpoint_count,
		      size_t message_max, unsigned keepalive_s)
{
	struct core *c = calloc(1, sizeof(*c));

	check(c != NULL && endpoint_count > 0 && endpoint_count <= CORES_MAX);
	c->loop = loop;
	c->waker = waker_new(loop, on_finished, c);
	gpr_set_log_function(on_grpc_log);
	grpc_init();
	c->cq = grpc_completion_queue_create_for_next(NULL);
	for (unsigned i = 0; i < endpoint_count; i++) {
		for (int lane = 0; lane < CORE_LANES; lane++) {
			c->channel[i][lane] =
				new_channel(endpoints[i], lane, message_max, keepalive_s);
			check(c->channel[i][lane] != NULL);
			grpc_channel_check_connectivity_state(c->channel[i][lane], 1);
		}
	}
	c->channels = endpoint_count;
	check(pthread_create(&c->thread, NULL, wait_main, c) == 0);
	return c;
}

/* Calls must have been abandoned before: their completions are drained here. */
void core_free(struct core **cp)
{
	struct core *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	for (unsigned i = 0; i < c->channels; i++)
		for (int lane = 0; lane < CORE_LANES; lane++)
			grpc_channel_destroy(c->channel[i][lane]);
	grpc_completion_queue_shutdown(c->cq);
	pthread_join(c->thread, NULL);
	on_finished(c);
	grpc_completion_queue_destroy(c->cq);
	grpc_shutdown();
	waker_free(&c->waker);
	free(c);
}

static void start_batch(struct core_call *call)
{
	grpc_op ops[6];

	memset(ops, 0, sizeof(ops));
	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = call->request;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &call->initial;
	ops[4].op = GRPC_OP_RECV_MESSAGE;
	ops[4].data.recv_message.recv_message = &call->response;
	ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[5].data.recv_status_on_client.trailing_metadata = &call->trailing;
	ops[5].data.recv_status_on_client.status = &call->status;
	ops[5].data.recv_status_on_client.status_details = &call->details;
	ops[5].data.recv_status_on_client.error_string = &call->error;
	check(grpc_call_start_batch(call->call, ops, 6, call, NULL) == GRPC_CALL_OK);
}

struct core_call *core_start(struct core *c, unsigned endpoint, enum core_lane lane,
			     const char *method, grpc_slice *slices, size_t slice_count, double timeout_s,
			     void (*on_done)(void *owner, const struct core_reply *r), void *owner)
{
	struct core_call *call = calloc(1, sizeof(*call));
	gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
					     gpr_time_from_millis((int64_t)(timeout_s * 1000), GPR_TIMESPAN));

	check(call != NULL && endpoint < c->channels);
	call->core = c;
	call->on_done = on_done;
	call->owner = owner;
	call->details = grpc_empty_slice();
	grpc_metadata_array_init(&call->initial);
	grpc_metadata_array_init(&call->trailing);
	call->request = grpc_raw_byte_buffer_create(slices, slice_count);
	for (size_t i = 0; i < slice_count; i++)
		grpc_slice_unref(slices[i]);
	grpc_slice path = grpc_slice_from_static_string(method);
	call->channel = c->channel[endpoint][lane];
	call->call = grpc_channel_create_call(call->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->cq, path,
					      NULL, deadline, NULL);
	c->in_flight++;
	start_batch(call);
	return call;
}

void core_abandon(struct core_call **callp)
{
	struct core_call *call = *callp;

	*callp = NULL;
	if (!call)
		return;
	call->on_done = NULL;
	grpc_call_cancel(call->call, NULL);
}

unsigned core_endpoints(const struct core *c)
{
	return c->channels;
}
