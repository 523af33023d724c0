/* rows - lines for people. */

#include "supervisor/cli/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/opid.h"
#include "common/wire.h"
#include "proto/states.h"

const char *rows_time(uint64_t unix_ms, char out[ROWS_TIME])
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, ROWS_TIME, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

void rows_print_change(const struct msg_change *m, bool with_id)
{
	char when[ROWS_TIME], id[OPID_TEXT], hex[67], reason[201];
	const char *state = state_name(m->state);

	printf("%s.%03u", rows_time(m->at_ms, when), (unsigned)(m->at_ms % 1000));
	if (with_id)
		printf("  %-20s", opid_text(m->kind, &m->id, id));
	printf("  %-10s  block %" PRIu64, state ? state : "unknown", m->block);
	if (!b32_is_zero(&m->tx))
		printf("  tx %s", hex_encode0x(BYTES_OF(m->tx.b), hex));
	if (m->reason.len)
		printf("  %s", wire_text(m->reason, reason, sizeof(reason)));
	printf("\n");
}

bool rows_parse_id(const char *word, uint64_t *kind_out, struct b32 *id_out)
{
	enum err e = opid_parse(word, kind_out, id_out);

	if (!e)
		return true;
	fprintf(stderr, "kms-connector: %s: %s; an id looks like public-7 or keygen-0x1234\n", word,
		e == ERR_UNKNOWN ? "no kind of request has this prefix" : err_text(e));
	return false;
}
