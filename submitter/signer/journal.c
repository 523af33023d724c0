/* journal - slots, records, groups; what is read back is checked as if a stranger wrote it. */

#include "submitter/signer/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/keccak.h"
#include "common/log.h"

#define SLOT_BYTES   4096
#define SLOTS        2
#define SLOT_TEXT    (8 + 8 + 8 + 32)		/* magic, number, start, link before start */
#define SLOT_MAGIC   0x4b434a534c4f5431ull	/* "KCJSLOT1" */
#define RECORD_MAGIC 0x4b434a5245433031ull	/* "KCJREC01" */

_Static_assert(JOURNAL_FIRST == SLOTS * SLOT_BYTES, "records begin behind the slots");
_Static_assert(RECORD_MAX < JOURNAL_GROUP, "a group holds at least one record");

static struct b32 hash_of(const uint8_t *p, size_t len)
{
	struct b32 h;

	crypto_generichash(h.b, sizeof(h.b), p, len, NULL, 0);
	return h;
}

static enum err read_at(int fd, uint8_t *p, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return OK;
}

/* Bytes from *AT on; *AT is as far as it came.  ERR_FULL: the rest may be written later. */
static enum err write_all(int fd, const uint8_t *p, size_t len, size_t *at)
{
	while (*at < len) {
		ssize_t n = write(fd, p + *at, len - *at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
			return ERR_FULL;
		if (n <= 0)
			return ERR_IO;
		*at += (size_t)n;
	}
	return OK;
}

/* From here on: records as bytes. */

static uint8_t *put_number(uint8_t *p, uint64_t v)
{
	be64_put(p, v);
	return p + 8;
}

static uint8_t *put_hash(uint8_t *p, const struct b32 *h)
{
	memcpy(p, h->b, sizeof(h->b));
	return p + sizeof(h->b);
}

static void encode_head(uint8_t *p, const struct record *r, uint64_t length,
			const struct journal *j)
{
	uint8_t *first = p;

	p = put_number(p, RECORD_MAGIC);
	p = put_number(p, length);
	p = put_number(p, j->size);
	p = put_number(p, r->type);
	p = put_hash(p, &j->link);
#define N(name) p = put_number(p, r->name);
	RECORD_NUMBERS(N)
#undef N
#define H(name) p = put_hash(p, &r->name);
	RECORD_HASHES(H)
#undef H
	check(p - first == RECORD_HEAD);
}

static uint64_t get_number(const uint8_t **p)
{
	uint64_t v = be64_get(*p);

	*p += 8;
	return v;
}

static struct b32 get_hash(const uint8_t **p)
{
	struct b32 h;

	memcpy(h.b, *p, sizeof(h.b));
	*p += sizeof(h.b);
	return h;
}

/* What only the journal itself needs to know of a record. */
struct frame {
	uint64_t length, base;
	struct b32 before;		/* link of the record before it */
};

/* The head at P. */
static enum err parse_head(const uint8_t *p, uint64_t at, struct record *out, struct frame *f)
{
	if (get_number(&p) != RECORD_MAGIC)
		return ERR_FORMAT;
	f->length = get_number(&p);
	f->base = get_number(&p);

	uint64_t type = get_number(&p);

	if (f->length < RECORD_HEAD + RECORD_LINK || f->length > RECORD_MAX || f->base > at)
		return ERR_FORMAT;
	if (type == RECORD_none || type >= RECORD_COUNT)
		return ERR_UNKNOWN;
	out->type = (enum record_type)type;
	f->before = get_hash(&p);
#define N(name) out->name = get_number(&p);
	RECORD_NUMBERS(N)
#undef N
#define H(name) out->name = get_hash(&p);
	RECORD_HASHES(H)
#undef H
	out->body = (struct bytes){ 0 };
	return OK;
}

/* One record at the start of IN; its link is not looked at. */
static enum err parse(struct bytes in, uint64_t at, struct record *out, struct frame *f)
{
	if (in.len < RECORD_HEAD + RECORD_LINK)
		return ERR_TRUNCATED;
	enum err e = parse_head(in.p, at, out, f);
	if (e)
		return e;
	if (f->length > in.len)
		return ERR_TRUNCATED;
	out->body = BYTES(in.p + RECORD_HEAD, f->length - RECORD_HEAD - RECORD_LINK);
	return OK;
}

/* The same, and every byte of it is as it was written. */
static enum err decode(struct bytes in, uint64_t at, struct record *out, struct frame *f)
{
	enum err e = parse(in, at, out, f);
	if (e)
		return e;

	size_t text = f->length - RECORD_LINK;
	struct b32 link = hash_of(in.p, text);

	return memcmp(link.b, in.p + text, RECORD_LINK) == 0 ? OK : ERR_MISMATCH;
}

/* From here on: slots. */

static bool decode_slot(const uint8_t *p, uint64_t size, struct journal *j)
{
	struct b32 sum = hash_of(p, SLOT_TEXT);

	if (memcmp(sum.b, p + SLOT_TEXT, sizeof(sum.b)) != 0)
		return false;

	uint64_t magic = get_number(&p), number = get_number(&p), start = get_number(&p);

	if (magic != SLOT_MAGIC || start < JOURNAL_FIRST || start > size ||
	    number <= j->slot_number)
		return false;
	j->slot_number = number;
	j->start = start;
	j->link = get_hash(&p);
	return true;
}

static enum err write_slot(struct journal *j, uint64_t start, const struct b32 *link)
{
	uint8_t slot[SLOT_TEXT + 32], *p = slot;
	uint64_t number = j->slot_number + 1;
	off_t at = (off_t)(number % SLOTS * SLOT_BYTES);

	p = put_number(p, SLOT_MAGIC);
	p = put_number(p, number);
	p = put_number(p, start);
	p = put_hash(p, link);

	struct b32 sum = hash_of(slot, SLOT_TEXT);

	put_hash(p, &sum);
	if (pwrite(j->fd, slot, sizeof(slot), at) != (ssize_t)sizeof(slot) || fdatasync(j->fd))
		return ERR_IO;
	j->slot_number = number;
	return OK;
}

/* A file that never held a record: whatever is in it is from a crash while it was made. */
static enum err begin_file(struct journal *j)
{
	j->link = (struct b32){ { 0 } };
	j->start = j->size = JOURNAL_FIRST;
	if (ftruncate(j->fd, 0) || ftruncate(j->fd, JOURNAL_FIRST))
		return ERR_IO;
	for (unsigned i = 0; i < SLOTS; i++) {
		enum err e = write_slot(j, j->start, &j->link);
		if (e)
			return e;
	}
	return OK;
}

static enum err read_slots(struct journal *j)
{
	bool found = false;

	for (unsigned i = 0; i < SLOTS; i++) {
		uint8_t slot[SLOT_TEXT + 32];

		if (j->size < i * SLOT_BYTES + sizeof(slot))
			continue;
		enum err e = read_at(j->fd, slot, sizeof(slot), i * SLOT_BYTES);
		if (e)
			return e;
		found = decode_slot(slot, j->size, j) || found;
	}
	if (found)
		return OK;
	return j->size <= JOURNAL_FIRST ? begin_file(j) : ERR_CONFLICT;
}

/* From here on: reading everything. */

/* The part of the file that is in the buffer. */
struct window {
	uint64_t at;
	size_t len;
};

/* Bytes from AT on: at least RECORD_MAX of them, or up to the end of the file. */
static enum err fill(struct journal *j, struct window *w, uint64_t at, struct bytes *out)
{
	uint64_t left = j->size - at;
	size_t wanted = left < RECORD_MAX ? (size_t)left : RECORD_MAX;

	if (at < w->at || at + wanted > w->at + w->len) {
		w->at = at;
		w->len = left < JOURNAL_GROUP ? (size_t)left : JOURNAL_GROUP;
		enum err e = read_at(j->fd, j->group, w->len, at);
		if (e)
			return e;
	}
	*out = BYTES(j->group + (at - w->at), w->len - (at - w->at));
	return OK;
}

/* Does a whole record stand at IN, of a group that was begun after BAD was synced? */
static bool is_later_group(struct bytes in, uint64_t at, uint64_t bad)
{
	struct record r;
	struct frame f;

	return in.len >= 8 && be64_get(in.p) == RECORD_MAGIC && decode(in, at, &r, &f) == OK &&
	       f.base > bad;
}

/* The record at BAD is damaged: is that how a crash leaves the end of the file? */
static enum err judge_end(struct journal *j, uint64_t bad)
{
	struct window w = { .len = 0 };
	struct bytes in;

	if (j->size - bad > JOURNAL_GROUP)
		return ERR_CONFLICT;
	w.at = bad;
	w.len = (size_t)(j->size - bad);
	enum err e = read_at(j->fd, j->group, w.len, bad);
	if (e)
		return e;
	in = BYTES(j->group, w.len);
	for (size_t i = 1; i < in.len; i++)
		if (is_later_group(BYTES(in.p + i, in.len - i), bad + i, bad))
			return ERR_CONFLICT;
	return OK;
}

static enum err cut(struct journal *j, uint64_t at, uint64_t *cut_out)
{
	enum err e = judge_end(j, at);

	if (e)
		return e;
	*cut_out = j->size - at;
	if (ftruncate(j->fd, (off_t)at) || fdatasync(j->fd))
		return ERR_IO;
	j->size = at;
	return OK;
}

static enum err read_all(struct journal *j, const struct journal_reader *reader,
			 uint64_t *cut_out, uint64_t *at)
{
	struct window w = { .len = 0 };

	for (*at = j->start; *at < j->size;) {
		struct record r;
		struct bytes in;
		struct frame f;

		enum err e = fill(j, &w, *at, &in);
		if (e)
			return e;
		if (decode(in, *at, &r, &f))
			return cut(j, *at, cut_out);
		if (!b32_eq(&f.before, &j->link))
			return ERR_CONFLICT;	/* whole, but not what came next */
		memcpy(j->link.b, in.p + f.length - RECORD_LINK, RECORD_LINK);
		e = reader->on_record(reader->owner, &r, *at, (uint32_t)f.length);
		if (e)
			return e;
		*at += f.length;
	}
	return OK;
}

enum err journal_open(struct journal *j, int fd, const struct journal_reader *reader,
		      uint64_t *cut_out, uint64_t *bad_at_out)
{
	struct stat st;

	*j = (struct journal){ .fd = fd, .group = malloc(JOURNAL_GROUP),
			       .one = malloc(RECORD_MAX) };
	*cut_out = *bad_at_out = 0;
	if (!j->group || !j->one)
		return ERR_NOMEM;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return ERR_IO;
	j->size = (uint64_t)st.st_size;

	enum err e = read_slots(j);

	e = e ? e : read_all(j, reader, cut_out, bad_at_out);
	/* What a killed predecessor wrote and did not sync is told to others from now on. */
	if (!e && fdatasync(fd))
		e = ERR_IO;
	if (!e && lseek(fd, (off_t)j->size, SEEK_SET) < 0)
		e = ERR_IO;
	return e;
}

void journal_close(struct journal *j)
{
	free(j->group);
	free(j->one);
	*j = (struct journal){ .fd = -1 };
}

/* From here on: what a confined process does. */

bool journal_has_room(const struct journal *j)
{
	return JOURNAL_GROUP - j->gathered >= RECORD_MAX;
}

void journal_add(struct journal *j, const struct record *r, uint64_t *at_out,
		 uint32_t *length_out)
{
	size_t length = RECORD_HEAD + r->body.len + RECORD_LINK;
	uint8_t *p = j->group + j->gathered;

	check(journal_has_room(j) && length <= RECORD_MAX && !j->written);
	if (!j->gathered) {
		j->group_at = j->size;
		j->held = 0;
	}
	encode_head(p, r, length, j);
	if (r->body.len)
		memcpy(p + RECORD_HEAD, r->body.p, r->body.len);
	j->link = hash_of(p, length - RECORD_LINK);
	memcpy(p + length - RECORD_LINK, j->link.b, RECORD_LINK);
	*at_out = j->size + j->gathered;
	*length_out = (uint32_t)length;
	j->gathered += length;
	j->held = j->gathered;
}

enum err journal_commit(struct journal *j)
{
	if (!j->gathered)
		return OK;
	enum err e = write_all(j->fd, j->group, j->gathered, &j->written);
	if (e)
		return e;
	if (fdatasync(j->fd))
		return ERR_IO;
	j->size += j->gathered;
	j->gathered = j->written = 0;
	return OK;
}

/* Bytes of the file, or of the group that is not written yet. */
static enum err copy(struct journal *j, uint8_t *to, size_t len, uint64_t at)
{
	if (at < j->start || at + len > j->size + j->gathered)
		return ERR_RANGE;
	if (at < j->group_at || at + len > j->group_at + j->held)
		return read_at(j->fd, to, len, at);
	memcpy(to, j->group + (at - j->group_at), len);
	return OK;
}

/*
 * The links were checked at start; here the transaction's own hash tells whether the body is
 * still what was signed.
 */
enum err journal_read(struct journal *j, uint64_t at, uint32_t length, struct record *out)
{
	struct frame f;

	if (length > RECORD_MAX)
		return ERR_RANGE;
	enum err e = copy(j, j->one, length, at);
	if (e)
		return e;
	if (parse(BYTES(j->one, length), at, out, &f) || f.length != length)
		return ERR_CONFLICT;

	struct b32 hash = keccak_bytes(out->body);

	return b32_eq(&hash, &out->tx_hash) ? OK : ERR_CONFLICT;
}

enum err journal_look(struct journal *j, uint64_t at, struct record *out, uint64_t *end_out)
{
	struct frame f;

	enum err e = copy(j, j->one, RECORD_HEAD, at);
	if (e)
		return e;
	if (parse_head(j->one, at, out, &f))
		return ERR_CONFLICT;
	e = copy(j, j->one, f.length, at);
	if (e)
		return e;
	*end_out = at + f.length;
	return decode(BYTES(j->one, f.length), at, out, &f) ? ERR_CONFLICT : OK;
}

uint64_t journal_bytes(const struct journal *j)
{
	return j->size - j->start;
}

enum err journal_begin_segment(struct journal *j, uint64_t from, const struct b32 *link_before)
{
	enum err e = write_slot(j, from, link_before);
	if (e)
		return e;
	j->start = from;

	/* Whole blocks only; a file system that cannot do it keeps the bytes, no more. */
	off_t end = (off_t)(from / SLOT_BYTES * SLOT_BYTES);

	if (end > JOURNAL_FIRST &&
	    fallocate(j->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, JOURNAL_FIRST,
		      end - JOURNAL_FIRST) < 0 && errno == EIO)
		return ERR_IO;
	return OK;
}
