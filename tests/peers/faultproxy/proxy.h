/*
 * proxy - connections to one peer, and what is done to them.
 *
 * A pair is a client's connection and ours to the peer; a flow is one direction of it.  Bytes are
 * read, changed by at most one fault of their flow, queued as chunks, and written when due.
 */
#pragma once

#include "tests/peers/peer.h"

#define QUEUE_MAX   (256u << 10)	/* bytes of a flow; it reads no more until some left */
#define REQUEST_MAX (8u << 20)		/* bytes of a request that is looked at */

/*
 * Every fault once.
 * name, level, arguments (numbers, with what they are without being said), how it acts
 *
 * ACCEPT  on connections that are made
 * STREAM  on the bytes of a connection, from its beginning or, with {open: true}, from now on
 * HTTP    instead of forwarding a request, or to its bytes (mode http)
 * WS, H2  on connections that are open now, between two frames of the peer (modes http, h2)
 */
#define FAULTS(F) \
	F(refuse, ACCEPT, "", 0, "", 0, "reset as soon as it is made") \
	F(drop, ACCEPT, "", 0, "", 0, "closed in order as soon as it is made") \
	F(blackhole, ACCEPT, "", 0, "", 0, "nothing is read and nothing comes") \
	F(reset, STREAM, "at", 0, "", 0, "a reset of both ends after so many bytes") \
	F(truncate, STREAM, "at", 0, "", 0, "an end in order after so many bytes") \
	F(stall, STREAM, "at", 0, "", 0, "nothing moves after so many bytes") \
	F(drip, STREAM, "bytes", 16, "everyMs", 100, "so many bytes at a time, so often") \
	F(delay, STREAM, "ms", 100, "", 0, "each chunk comes so much later") \
	F(duplicate, STREAM, "at", 0, "", 0, "the chunk with this byte comes twice") \
	F(swap, STREAM, "at", 0, "", 0, "the chunk with this byte comes after the next") \
	F(flip, STREAM, "at", 0, "", 0, "one bit of this byte is another") \
	F(answer, HTTP, "status", 503, "", 0, "this status, with headers and body as given") \
	F(giant, HTTP, "length", 1e18, "", 0, "200 with this content-length, and little more") \
	F(endless, HTTP, "", 0, "", 0, "200 in chunks without an end") \
	F(cut_request, HTTP, "at", 0, "", 0, "a reset of both ends after so many bytes of it") \
	F(cut_reply, HTTP, "at", 0, "", 0, \
	  "a reset of both ends after so many bytes of its reply") \
	F(ws_giant, WS, "length", 4e18, "", 0, "the head of a text frame of this length") \
	F(ws_fragments, WS, "frames", 1000, "bytes", 1, \
	  "a message of so many parts and no last one") \
	F(ws_pings, WS, "frames", 1000, "", 0, "so many pings") \
	F(ws_frame, WS, "opcode", 1, "", 0, "one frame with `body`") \
	F(h2_goaway, H2, "code", 11, "", 0, "GOAWAY with `body` as its words (11: calm down)") \
	F(h2_reset, H2, "code", 7, "", 0, "RST_STREAM of the newest stream (7: refused)")

enum fault_name {
	FAULT_none,
#define F(name, level, a1, d1, a2, d2, text) FAULT_##name,
	FAULTS(F)
#undef F
	FAULTS_COUNT,
};

enum level { LEVEL_NONE, LEVEL_ACCEPT, LEVEL_STREAM, LEVEL_HTTP, LEVEL_WS, LEVEL_H2 };
enum mode { MODE_TCP, MODE_HTTP, MODE_H2 };
enum dir { UP, DOWN, DIRS };		/* to the peer; to the client */

struct fault {
	enum fault_name name;
	double arg[2];
};

/* A fault that waits for connections or requests. */
struct rule {
	struct rule *next;
	struct fault fault;
	bool dir[DIRS];			/* of STREAM */
	unsigned skip, count;		/* so many are spared first; so many it meets, 0: all */
	char *match;			/* owned, may be NULL; of HTTP: a text in the request */
	char *headers, *body;		/* owned, may be NULL; of HTTP: lines with their ends; text */
};

struct chunk {
	struct chunk *next;
	uint64_t due_ms;
	size_t len, sent;
	uint8_t bytes[];
};

/* Where frames end in a flow of them. */
enum framing { FRAMES_NONE, FRAMES_HEAD, FRAMES_WS, FRAMES_H2 };
struct tracker {
	enum framing framing;
	unsigned preface;		/* bytes before the first frame */
	uint8_t head[14];
	unsigned have;			/* bytes of the head */
	uint64_t left;			/* bytes of the body */
	uint64_t frames;		/* that ended */
};

enum end { END_NONE, END_FIN, END_CUT, END_RESET };

struct flow {
	struct pair *pair;
	enum dir dir;
	struct chunk *first, **last;
	struct chunk *held;		/* owned; of a swap */
	size_t queued;
	uint64_t passed;		/* bytes that came since the fault began */
	struct fault fault;
	bool acted, stalled;
	size_t allowed;			/* bytes of a drip */
	struct timer *timer;		/* owned */
	enum end end;			/* when the queue is empty */
	bool over;			/* what comes is thrown away */
	bool ended;			/* and its target has been told that nothing follows */
	bool endless;			/* of HTTP: more when the queue is empty */
	struct tracker tracker;
	struct text inject;		/* owned; between two frames */
};

struct side {
	int fd;
	struct watch *watch;		/* owned */
	bool connected, read_over;
};

struct pair {
	struct proxy *proxy;
	struct pair *next, **link;	/* of all; then of those that are over */
	struct side client, peer;
	struct flow flow[DIRS];
	bool over, blackhole;
	struct side *cut;		/* was told of an end that the other did not make; or NULL */
	bool raw;			/* requests are not looked at any more */
	struct text request;		/* owned; of HTTP, until it is whole */
	uint32_t last_stream;		/* of H2 */
};

struct proxy {
	struct loop *loop;
	enum mode mode;
	uint16_t port, target;
	int fd;				/* -1: refuses */
	struct watch *watch;
	struct pair *pairs, *gone;
	struct rule *rules;
	uint64_t connections, open, bytes[DIRS], requests, acted[FAULTS_COUNT];
	uint64_t met_bytes; /* of the last request that met a rule */
	cJSON *calls;			/* JSON-RPC methods that were asked for; owned */
};

/* pair.c */
void proxy_listen(struct proxy *p);
void proxy_refuse(struct proxy *p);		/* listens no more; all are reset */
void pair_new(struct proxy *p, int fd, bool blackhole);
void pair_connect(struct pair *pair);
void pair_reset(struct pair *pair);		/* both ends, at once */
void pair_close(struct pair *pair);
void pair_update(struct pair *pair);		/* what is watched */

/* flow.c */
void flow_attach(struct flow *f, const struct fault *fault);
void flow_detach(struct flow *f);
void flow_take(struct flow *f, const uint8_t *p, size_t len);	/* bytes that came */
void flow_put(struct flow *f, struct bytes b);	/* bytes of our own, behind what is queued */
void flow_put_injected(struct flow *f);		/* it must be between two frames */
void flow_pump(struct flow *f);			/* may end the pair */
void flow_end(struct flow *f);			/* nothing more comes */
void flow_fini(struct flow *f);

/* http.c */
void http_take(struct pair *pair, const uint8_t *p, size_t len);

/* frames.c: bytes up to the end of a frame, at most LEN; *end_out: a frame ends there */
size_t frames_step(struct pair *pair, struct tracker *t, const uint8_t *p, size_t len,
		   bool *end_out);
bool frames_between(const struct tracker *t);
bool frames_inject(struct pair *pair, const struct rule *rule);	/* false: not such a connection */

/* control.c */
extern const struct control_op proxy_control[];	/* their owner is the proxy */
/* The rule that meets, spent by one: *rule_out is a copy.  TEXT is the request, of HTTP. */
bool rule_meet(struct proxy *p, enum level level, struct bytes text, struct rule *rule_out);
enum level fault_level(enum fault_name name);
