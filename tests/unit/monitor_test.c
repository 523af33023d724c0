/* monitor_test - what the window answers, and to whom it does not. */

#include "tests/unit/monitor_world.h"

TestSuite(monitor, .timeout = 30);

Test(monitor, alive_and_ready, .init = setup, .fini = teardown)
{
	cr_assert_eq(get("/livez"), 200);
	cr_assert_str_eq(body(), "ok\n");
	cr_assert_eq(get("/readyz"), 503);
	cr_assert(says("listener: does not run\n"));
	cr_assert(says("executor: ready\n"));

	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++) {
		pages.page[role]->pid = 1;
		pages.page[role]->ready_ms = 1;
		pages.page[role]->beat_ms = clock_mono_ms();
	}
	cr_assert_eq(get("/readyz"), 200);
	pages.page[ROLE_SIGNER]->beat_ms = clock_mono_ms() - 11000;
	cr_assert_eq(get("/livez"), 503);
	cr_assert(says("signer: no turn of its loop for 11 s"));
	pages.page[ROLE_SIGNER]->beat_ms = clock_mono_ms();
	pages.page[ROLE_SIGNER]->ready_ms = 0;
	snprintf(pages.page[ROLE_SIGNER]->note, 32, "reads its journal\x1b[2J");
	cr_assert_eq(get("/readyz"), 503);
	cr_assert(says("signer: not ready: reads its journal?[2J\n"));
}

Test(monitor, metrics, .init = setup, .fini = teardown)
{
	pages.page[ROLE_LISTENER]->value[CNT_LISTENER_blocks] = 4711;
	pages.page[ROLE_SUBMITTER]->value[CNT_SUBMITTER_in_flight] = 3;
	pages.page[ROLE_EXECUTOR]->restarts = 2;
	cr_assert_eq(get("/metrics"), 200);
	cr_assert(says("# HELP kms_connector_listener_blocks_total blocks read\n"
		       "# TYPE kms_connector_listener_blocks_total counter\n"
		       "kms_connector_listener_blocks_total 4711\n"));
	cr_assert(says("# TYPE kms_connector_submitter_in_flight gauge\n"
		       "kms_connector_submitter_in_flight 3\n"));
	cr_assert(says("kms_connector_process_restarts_total{process=\"executor\"} 2\n"));
	cr_assert(says("kms_connector_process_up{process=\"signer\"} 0\n"));
	cr_assert(says("kms_connector_process_ready{process=\"monitor\"} 1\n"));

	/* Every row of the table is there, once. */
	unsigned types = 0;
	for (const char *p = answer; (p = strstr(p, "\n# TYPE ")); p++)
		types++;
#define C(role, name, how, text) +1
	cr_assert_eq(types, (unsigned)(0 COUNTERS_ALL(C)) + 5);
#undef C
}

Test(monitor, status_and_requests, .init = setup, .fini = teardown)
{
	wait_for_executor();
	cJSON *json = cJSON_Parse(body());
	cr_assert_not_null(json);
	cJSON *core = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "stages"), 0);
	cr_assert_str_eq(cJSON_GetObjectItem(core, "state")->valuestring, "paused");
	cr_assert_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "figures"), "open")->valuedouble,
		     12);
	cJSON_Delete(json);

	cr_assert_eq(get("/v1/requests?limit=3&state=refused"), 200);
	json = cJSON_Parse(body());
	cr_assert_not_null(json);
	cJSON *rows = cJSON_GetObjectItem(json, "requests");
	cr_assert_eq(cJSON_GetArraySize(rows), 3);
	cJSON *row = cJSON_GetArrayItem(rows, 0);
	cr_assert_str_eq(cJSON_GetObjectItem(row, "id")->valuestring, "public-1000");
	cr_assert_str_eq(cJSON_GetObjectItem(row, "reason")->valuestring, "quote \" slash \\ <script>");
	cr_assert_not(says("<script>"), "nothing a browser could take for markup");
	cr_assert(cJSON_IsNull(cJSON_GetObjectItem(row, "nonce")));
	cr_assert_eq(cJSON_GetObjectItem(json, "next")->valuedouble, 998);
	cJSON_Delete(json);

	cr_assert_eq(get("/v1/requests/public-7"), 200);
	cr_assert(says("\"state\":\"done\""));
	cr_assert(says("\"nonce\":0,\"tx_block\":99"), "the first nonce is a nonce");
	json = cJSON_Parse(body());
	cJSON *history = cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "requests"), 0),
					     "history");
	cr_assert_eq(cJSON_GetArraySize(history), 2);
	cr_assert_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(history, 1), "seq")->valuedouble, 7);
	cJSON_Delete(json);
	cr_assert_eq(get("/v1/requests/public-0x7"), 200);
	cr_assert_eq(get("/v1/requests/public-9"), 404);
	cr_assert_eq(get("/v1/requests?limit=200"), 200);
	cr_assert_eq(get("/v1/requests?limit=201"), 400);
	cr_assert_eq(get("/v1/requests?limit=-1"), 400);
	cr_assert_eq(get("/v1/requests?state=nonsense"), 400);
	cr_assert_eq(get("/v1/requests?kind=nonsense"), 400);
	cr_assert_eq(get("/v1/requests?kind=public"), 200);
	cr_assert_eq(get("/v1/requests/public-x"), 400);
	cr_assert_eq(get("/v1/requests/nobody-1"), 400);
	cr_assert_eq(get("/v1/requests/"), 404);
}

static unsigned rows_of_page(void)
{
	cJSON *json = cJSON_Parse(body());
	unsigned n = (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(json, "requests"));

	cr_assert_eq(cJSON_GetObjectItem(json, "count")->valuedouble, n);
	cJSON_Delete(json);
	return n;
}

Test(monitor, pages_and_filters, .init = setup, .fini = teardown)
{
	wait_for_executor();
	cr_assert_eq(get("/v1/requests?limit=4"), 200);
	cr_assert_eq(rows_of_page(), 4);
	cr_assert(says("\"next\":997}"));
	cr_assert_eq(get("/v1/requests?limit=6&before=997"), 200);
	cr_assert_eq(rows_of_page(), 6);
	cr_assert(says("\"next\":null}"));
	cr_assert_eq(get("/v1/requests?state=done"), 200);
	cr_assert_eq(rows_of_page(), 0);
	cr_assert_eq(get("/v1/requests?reason=no%20such+file&limit=3"), 200);
	cr_assert_eq(rows_of_page(), 3, "found in several parts");
	cr_assert(says("\"next\":998}"));

	static const char *const bad[] = { "reason=%00", "reason=%0a", "reason=%zz", "reason=%e2%82%ac",
		"since=x", "since=-5", "until=99999999999999999", "before=0", "before=1e5", "state=%", "limit=%3" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char path[100];
		snprintf(path, sizeof(path), "/v1/requests?%s", bad[i]);
		cr_expect_eq(get(path), 400, "%s", bad[i]);
	}
	cr_assert_eq(get("/v1/requests/public-7"), 200, "the link has lived through all of it");
}

Test(monitor, without_executor, .init = setup_without_executor, .fini = teardown)
{
	cr_assert_eq(get("/v1/status"), 200);
	cr_assert(says("\"executor\":false"));
	cJSON *metrics = cJSON_Parse(body());
	cr_assert_not_null(metrics);
	cJSON_Delete(metrics);
	cr_assert_eq(get("/v1/requests"), 503);
	cr_assert_eq(get("/v1/requests/public-7"), 503);
	cr_assert_eq(get("/livez"), 200);
}

Test(monitor, executor_that_dies_or_does_not_answer, .init = setup, .fini = teardown)
{
	wait_for_executor();
	uint64_t before_ms = clock_mono_ms();
	cr_assert_eq(get("/v1/requests/public-8"), 503);
	cr_assert_lt(clock_mono_ms() - before_ms, 6500);
	cr_assert_eq(get("/v1/requests/public-7"), 200, "others have their credit");

	int fd = dial();
	dprintf(fd, "GET /v1/requests/public-8 HTTP/1.1\r\n\r\n");
	poll(NULL, 0, 100);
	kill(executor, SIGKILL);
	waitpid(executor, NULL, 0);
	executor = 0;
	cr_assert_eq(hear(fd), 503);
	executor = start(ROLE_EXECUTOR, "kms-executor");
	wait_for_executor();
	cr_assert_eq(get("/v1/requests/public-7"), 200);
}

Test(monitor, page_and_its_policy, .init = setup, .fini = teardown)
{
	char nonce[33], want[80];

	cr_assert_eq(get("/"), 200);
	const char *at = strstr(answer, "script-src 'nonce-");
	cr_assert_not_null(at);
	memcpy(nonce, at + 18, 32);
	nonce[32] = 0;
	snprintf(want, sizeof(want), "<script nonce=\"%s\">", nonce);
	cr_assert(says(want));
	cr_assert(says("default-src 'none'"));
	cr_assert_not(says("unsafe-inline"));
	cr_assert_not(says("http://"));
	cr_assert_not(says("https://"));
	cr_assert_eq(get("/"), 200);
	cr_assert_not(says(nonce), "each answer has its own");
}

Test(monitor, refuses_what_is_no_request, .init = setup, .fini = teardown)
{
	static const struct { const char *text; size_t len; unsigned status; } bad[] = {
#define BAD(text, status) { text, sizeof(text) - 1, status },
		BAD("POST / HTTP/1.1\r\n\r\n", 405)
		BAD("HEAD / HTTP/1.1\r\n\r\n", 405)
		BAD("GET /nothing HTTP/1.1\r\n\r\n", 404)
		BAD("GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404)
		BAD("GET /livez/ HTTP/1.1\r\n\r\n", 404)
		BAD("GET http://x/ HTTP/1.1\r\n\r\n", 400)
		BAD("GET / HTTP/2.0\r\n\r\n", 400)
		BAD("GET /\r\n\r\n", 400)
		BAD("GET / \0 HTTP/1.1\r\n\r\n", 400)
		BAD("GET /\x01 HTTP/1.1\r\n\r\n", 400)
		BAD("\r\n\r\n", 400)
		BAD("\x16\x03\x01\x02\r\n\r\n", 400)
#undef BAD
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = dial();
		cr_assert_eq(write(fd, bad[i].text, bad[i].len), (ssize_t)bad[i].len);
		cr_expect_eq(hear(fd), bad[i].status, "request %zu: %.40s", i, answer);
	}
	int fd = dial();
	char much[SERVER_HEAD_MAX];
	memset(much, 'a', sizeof(much));
	dprintf(fd, "GET / HTTP/1.1\r\nX: ");
	send(fd, much, sizeof(much), MSG_NOSIGNAL);
	cr_assert_eq(hear(fd), 431);
	cr_assert_geq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_bad_requests], 8);
}

Test(monitor, in_pieces, .init = setup, .fini = teardown)
{
	static const char text[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = dial();

	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		cr_assert_eq(write(fd, text + i, 1), 1);
		poll(NULL, 0, 1);
	}
	cr_assert_eq(hear(fd), 200);
}

/* Clients that say nothing hold their places for two seconds and no longer. */
Test(monitor, slow_clients, .init = setup, .fini = teardown)
{
	int fd[SERVER_CLIENTS + 8];
	uint64_t before_ms = clock_mono_ms();

	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = dial();
		dprintf(fd[i], "GET /");
	}
	cr_assert_eq(get("/livez"), 200);
	uint64_t took_ms = clock_mono_ms() - before_ms;
	cr_assert(took_ms >= 1900 && took_ms < 6000, "%" PRIu64 " ms", took_ms);
	cr_assert_leq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients], SERVER_CLIENTS);
	cr_assert_eq(hear(fd[0]), 408);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
}

/* A storm leaves nothing behind. */
Test(monitor, many_clients, .init = setup, .fini = teardown)
{
	for (unsigned i = 0; i < 500; i++) {
		int fd = dial();
		if (i % 3 == 0)
			dprintf(fd, "GET /metrics HTTP/1.1\r\n\r\n");
		close(fd);
	}
	cr_assert_eq(get("/livez"), 200);
	uint64_t until_ms = clock_mono_ms() + 5000;
	while (pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients] && clock_mono_ms() < until_ms)
		poll(NULL, 0, 10);
	cr_assert_eq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients], 0);
}

/* Ids and JSON, without processes. */

Test(monitor, ids_for_people)
{
	char text[OPID_TEXT], big[OPID_TEXT];
	uint64_t kind;
	struct b32 id = id_of(7), back;

	cr_assert_str_eq(opid_text(KIND_public_decryption, &id, text), "public-7");
	memset(id.b, 0xff, sizeof(id.b));
	opid_text(KIND_keygen, &id, big);
	cr_assert_eq(strlen(big), strlen("keygen-0x") + 64);
	cr_assert_eq(opid_parse(big, &kind, &back), OK);
	cr_assert(kind == KIND_keygen && b32_eq(&id, &back));
	cr_assert_eq(opid_parse("user-18446744073709551616", &kind, &back), OK);
	cr_assert_str_eq(opid_text(kind, &back, text), "user-0x10000000000000000");
	cr_assert_eq(opid_parse("crsgen-0x00ff", &kind, &back), OK);
	cr_assert_str_eq(opid_text(kind, &back, text), "crsgen-255");

	static const char *const bad[] = {
		"", "-", "public", "public-", "-7", "public-7x", "public--7", "public-0x", "public- 7",
		"nobody-7", "public-0xg", "public-0x1"
		"0000000000000000000000000000000000000000000000000000000000000000",
		"averyveryverylongprefix-1",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_neq(opid_parse(bad[i], &kind, &back), OK, "%s", bad[i]);
}

Test(monitor, json_strings)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\n\x7f</script>", "\"\\u000a\\u007f\\u003c/script>\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xff\xc3", "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct text t;
		text_init(&t, 1000);
		text_json(&t, BYTES(cases[i].in, strlen(cases[i].in)));
		cr_expect_str_eq(t.p, cases[i].out);
		text_fini(&t);
	}
}

Test(monitor, text_ends_at_its_limit)
{
	struct text t;

	text_init(&t, 10);
	text_add(&t, "%s", "12345");
	text_add(&t, "%s", "67890");
	cr_assert_not(t.cut);
	text_add(&t, "x");
	cr_assert(t.cut);
	cr_assert_str_eq(t.p, "1234567890");
	text_fini(&t);
}

Test(monitor, query_words)
{
	char v[8];

	cr_assert(find_query("a=1&bc=2&c=", "bc", v, sizeof(v)));
	cr_assert_str_eq(v, "2");
	cr_assert(find_query("a=1&bc=2&c=", "c", v, sizeof(v)));
	cr_assert_str_eq(v, "");
	cr_assert_not(find_query("abc=1", "a", v, sizeof(v)));
	cr_assert_not(find_query("a", "a", v, sizeof(v)));
	cr_assert(find_query("a=12345678", "a", v, sizeof(v)) && strcmp(v, QUERY_BAD) == 0);
	cr_assert_not(find_query("&&=&", "a", v, sizeof(v)));
	cr_assert(find_query("a=%41+%2b%2C", "a", v, sizeof(v)));
	cr_assert_str_eq(v, "A +,");
	cr_assert(find_query("a=%4", "a", v, sizeof(v)) && strcmp(v, QUERY_BAD) == 0);
	cr_assert(find_query("a=%", "a", v, sizeof(v)) && strcmp(v, QUERY_BAD) == 0);
	cr_assert(find_query("a=x%00y", "a", v, sizeof(v)) && strcmp(v, QUERY_BAD) == 0);
}
