/* figures - counter pages as text. */

#include "supervisor/monitor/figures.h"

#include <inttypes.h>

#include "common/proc.h"

enum how { TOTAL, GAUGE };

static const struct row {
	enum ipc_role role;
	unsigned index;
	enum how how;
	const char *name, *text;
} rows[] = {
#define C(role_, name_, how_, text_) \
	{ .role = ROLE_##role_, .index = CNT_##role_##_##name_, .how = how_, .name = #name_, \
	  .text = text_ },
	COUNTERS_ALL(C)
#undef C
};

static uint64_t load(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

static bool runs(const struct counter_page *p)
{
	return load(&p->pid) != 0;
}

static bool is_fresh(const struct counter_page *p, uint64_t mono_ms)
{
	return mono_ms < load(&p->beat_ms) + FIGURES_HUNG_MS;
}

static bool is_able(const struct counter_page *p, uint64_t mono_ms)
{
	return runs(p) && load(&p->ready_ms) != 0 && is_fresh(p, mono_ms);
}

static uint64_t age_ms(uint64_t since_ms, uint64_t mono_ms)
{
	return mono_ms > since_ms ? mono_ms - since_ms : 0;
}

/* One metric that every process has. */
static void add_process_metric(const struct figures *f, struct text *out, const char *name,
			       const char *type, const char *text, uint64_t mono_ms,
			       double (*value)(const struct counter_page *p, uint64_t mono_ms))
{
	text_add(out, "# HELP kms_connector_process_%s %s\n# TYPE kms_connector_process_%s %s\n",
		 name, text, name, type);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (f->page[role])
			text_add(out, "kms_connector_process_%s{process=\"%s\"} %.15g\n", name,
				 ipc_role_name((enum ipc_role)role), value(f->page[role], mono_ms));
}

static double value_up(const struct counter_page *p, uint64_t mono_ms)
{
	(void)mono_ms;
	return runs(p);
}

static double value_ready(const struct counter_page *p, uint64_t mono_ms)
{
	return is_able(p, mono_ms);
}

static double value_restarts(const struct counter_page *p, uint64_t mono_ms)
{
	(void)mono_ms;
	return (double)load(&p->restarts);
}

static double value_beat(const struct counter_page *p, uint64_t mono_ms)
{
	return runs(p) ? (double)age_ms(load(&p->beat_ms), mono_ms) / 1000 : 0;
}

static double value_uptime(const struct counter_page *p, uint64_t mono_ms)
{
	return runs(p) ? (double)age_ms(load(&p->started_ms), mono_ms) / 1000 : 0;
}

/* name, type, text, value */
#define PROCESS_METRICS(M) \
	M(up,                    gauge,   "1 while the process runs", value_up) \
	M(ready,                 gauge,   "1 while the process can do its work", value_ready) \
	M(restarts_total,        counter, "times the process was started again", value_restarts) \
	M(heartbeat_age_seconds, gauge,   "time since its loop last turned", value_beat) \
	M(uptime_seconds,        gauge,   "time since it was started", value_uptime)

void figures_metrics(const struct figures *f, uint64_t mono_ms, struct text *out)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		const char *role = ipc_role_name(r->role);
		const char *end = r->how == TOTAL ? "_total" : "";
		if (!f->page[r->role])
			continue;
		text_add(out, "# HELP kms_connector_%s_%s%s %s\n", role, r->name, end, r->text);
		text_add(out, "# TYPE kms_connector_%s_%s%s %s\n", role, r->name, end,
			 r->how == TOTAL ? "counter" : "gauge");
		text_add(out, "kms_connector_%s_%s%s %" PRIu64 "\n", role, r->name, end,
			 load(&f->page[r->role]->value[r->index]));
	}
#define M(name, type, text, value) \
	add_process_metric(f, out, #name, #type, text, mono_ms, value);
	PROCESS_METRICS(M)
#undef M
}

bool figures_live(const struct figures *f, uint64_t mono_ms, struct text *out)
{
	bool live = true;

	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct counter_page *p = f->page[role];
		/* What does not run is for the supervisor to start, not for who asks us. */
		if (!p || !runs(p) || is_fresh(p, mono_ms))
			continue;
		live = false;
		text_add(out, "%s: no turn of its loop for %" PRIu64 " s\n",
			 ipc_role_name((enum ipc_role)role), age_ms(load(&p->beat_ms), mono_ms) / 1000);
	}
	if (live)
		text_add(out, "ok\n");
	return live;
}

bool figures_ready(const struct figures *f, uint64_t mono_ms, struct text *out)
{
	bool ready = true;
	char note[sizeof(((struct counter_page *)0)->note)];

	for (int role = ROLE_LISTENER; role < ROLE_COUNT; role++) {
		const struct counter_page *p = f->page[role];
		if (!p)
			continue;
		bool able = is_able(p, mono_ms);
		page_note(p, note, sizeof(note));
		ready = ready && able;
		text_add(out, "%s: %s%s%s\n", ipc_role_name((enum ipc_role)role),
			 able ? "ready" : !runs(p) ? "does not run" :
			 !is_fresh(p, mono_ms) ? "hangs" : "not ready",
			 able || !*note ? "" : ": ", able ? "" : note);
	}
	return ready;
}

void figures_processes(const struct figures *f, uint64_t mono_ms, struct text *out)
{
	char note[sizeof(((struct counter_page *)0)->note)];
	const char *comma = "";

	text_add(out, "[");
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct counter_page *p = f->page[role];
		if (!p)
			continue;
		text_add(out, "%s{\"name\":\"%s\",\"pid\":%" PRIu64 ",\"ready\":%s,"
			 "\"restarts\":%" PRIu64 ",\"uptime_ms\":%" PRIu64 ",\"beat_age_ms\":%" PRIu64
			 ",\"note\":", comma, ipc_role_name((enum ipc_role)role), load(&p->pid),
			 is_able(p, mono_ms) ? "true" : "false", load(&p->restarts),
			 runs(p) ? age_ms(load(&p->started_ms), mono_ms) : 0,
			 runs(p) ? age_ms(load(&p->beat_ms), mono_ms) : 0);
		page_note(p, note, sizeof(note));
		text_json(out, bytes_str(note));
		text_add(out, "}");
		comma = ",";
	}
	text_add(out, "]");
}
