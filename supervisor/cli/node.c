/* node - one exchange over libcurl's easy interface. */

#include "supervisor/cli/node.h"

#include <curl/curl.h>
#include <stdio.h>

#include "common/text.h"

static size_t on_body(char *p, size_t size, size_t n, void *owner)
{
	struct text *body = owner;

	text_bytes(body, BYTES(p, size * n));
	return body->cut ? 0 : size * n;
}

static CURL *new_handle(void)
{
	static bool ready;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	ready = true;
	return curl_easy_init();
}

/* H may be NULL, and then so is what is returned. */
static CURL *prepare(CURL *h, const char *url, const char *protocols)
{
	if (!h)
		return NULL;
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)NODE_WAIT_S);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)NODE_WAIT_S / 2);
	return h;
}

/* The body of a POST to BODY. */
static enum err post(const char *url, const struct text *request, struct text *body,
		     struct node_reply *out)
{
	static CURL *kept;		/* with its connections; one for the program's life */
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;

	kept = kept ? kept : new_handle();
	if (kept)
		curl_easy_reset(kept);
	CURL *h = prepare(kept, url, "http,https");
	if (!h || !headers) {
		curl_slist_free_all(headers);
		return ERR_NOMEM;
	}
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)request->len);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, request->p);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, body);
	CURLcode code = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (body->cut) {
		snprintf(out->why, sizeof(out->why), "the reply is over %u MiB", NODE_REPLY_MAX >> 20);
		return ERR_TOO_BIG;
	}
	if (code != CURLE_OK) {
		snprintf(out->why, sizeof(out->why), "%s", curl_easy_strerror(code));
		return code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_CLOSED;
	}
	if (status == 401 || status == 403 || status == 429 || status >= 500) {
		snprintf(out->why, sizeof(out->why), "HTTP status %ld", status);
		return ERR_AGAIN;
	}
	return OK;
}

static enum err take_reply(const struct text *body, struct node_reply *out)
{
	struct jsonrpc_reply reply;
	const char *why = "no JSON-RPC reply";
	enum err e = jsonrpc_replies_open(BYTES(body->p, body->len), 1, 1, &out->replies, &why);

	if (e) {
		snprintf(out->why, sizeof(out->why), "%s", why);
		return e;
	}
	jsonrpc_reply_read(out->replies.item[0], &out->room, &reply);
	if (reply.outcome == RPC_OK) {
		out->result = reply.result;
		return OK;
	}
	jsonrpc_tame(reply.message, out->why, sizeof(out->why));
	out->reverted = jsonrpc_is_revert(&reply);
	return ERR_MISMATCH;
}

enum err node_call(const char *url, const char *method, const char *params,
		   struct node_reply *out)
{
	struct text request, body;

	memset(out, 0, sizeof(*out));
	text_init(&request, 4096);
	text_init(&body, NODE_REPLY_MAX);
	text_add(&request, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
		 params);
	enum err e = request.cut ? ERR_TOO_BIG : post(url, &request, &body, out);
	e = e ? e : take_reply(&body, out);
	if (e && !out->why[0])
		snprintf(out->why, sizeof(out->why), "%s", err_text(e));
	text_fini(&request);
	text_fini(&body);
	return e;
}

void node_reply_free(struct node_reply *r)
{
	jsonrpc_replies_close(&r->replies);
	r->result = NULL;
}

/* libcurl of this date speaks no ws: the same host and port by the name of http. */
enum err node_connect(const char *url, char *why_out, size_t cap)
{
	struct text http;

	text_init(&http, 4096);
	if (strncmp(url, "ws", 2) == 0)
		text_add(&http, "http%s", url + 2);
	else
		text_add(&http, "%s", url);
	CURL *h = http.cut ? NULL : prepare(new_handle(), http.p, "http,https");
	if (!h) {
		text_fini(&http);
		return ERR_NOMEM;
	}
	curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L);
	CURLcode code = curl_easy_perform(h);
	curl_easy_cleanup(h);
	text_fini(&http);
	if (code == CURLE_OK)
		return OK;
	snprintf(why_out, cap, "%s", curl_easy_strerror(code));
	return ERR_CLOSED;
}
