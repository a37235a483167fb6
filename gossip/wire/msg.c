#include "gossip/wire/msg.h"

#include <assert.h>

/* Decoding. Each section's value has one form; a reader that has failed once stays failed. */

struct item_limits {
	uint32_t count;
	size_t least, most; /* bytes of one */
};

static const struct item_limits any_items = {MSG_ITEMS_MAX, 1, SIZE_MAX};
static const struct item_limits places = {MSG_PLACES_MAX, MSG_PLACE_SIZE, MSG_PLACE_SIZE};

static int get_items(struct pack_reader *r, const char *field, const struct item_limits *limits,
	struct msg_item *ret, size_t *ret_count)
{
	uint32_t count;

	if (pack_get_array(r, field, 1, limits->count, &count) != 0)
		return ERR_MALFORMED;
	for (uint32_t i = 0; i < count; i++) {
		if (pack_get_bin(r, field, limits->least, limits->most, &ret[i].bytes,
			    &ret[i].size) != 0)
			return ERR_MALFORMED;
	}
	*ret_count = count;
	return 0;
}

static int get_ping_req(struct pack_reader *r, struct msg *msg)
{
	uint32_t count;

	if (pack_get_array(r, "ping_req", 2, 2, &count) != 0 ||
		pack_get_uint(r, "ping_req.sequence", UINT64_MAX, &msg->ping_req) != 0)
		return ERR_MALFORMED;
	return pack_get_fixed(r, "ping_req.target", &msg->ping_req_target, sizeof(struct id));
}

static int get_relay(struct pack_reader *r, struct msg *msg)
{
	uint32_t count;

	if (pack_get_array(r, "relay", 2, 2, &count) != 0 ||
		pack_get_uint(r, "relay.sequence", UINT64_MAX, &msg->relay) != 0)
		return ERR_MALFORMED;
	return pack_get_bool(r, "relay.answered", &msg->relay_answered);
}

static int get_digest(struct pack_reader *r, struct msg *msg)
{
	uint32_t count;

	if (pack_get_array(r, "digest", 2, 2, &count) != 0 ||
		pack_get_fixed(r, "digest.digest", msg->digest, sizeof(msg->digest)) != 0)
		return ERR_MALFORMED;
	return pack_get_uint(r, "digest.cutoff", UINT64_MAX, &msg->cutoff_hour);
}

static int get_time(struct pack_reader *r, struct msg *msg)
{
	uint64_t ms;

	if (pack_get_uint(r, "time", WTIME_MAX_MS, &ms) != 0)
		return ERR_MALFORMED;
	msg->time.ms = (int64_t)ms;
	return 0;
}

static int get_seen(struct pack_reader *r, struct msg *msg)
{
	if (pack_get_endpoint(r, "seen", &msg->seen) != 0)
		return ERR_MALFORMED;
	return msg->seen.port == 0 ? pack_refuse(r, "seen") : 0;
}

static const uint8_t zeros[MSG_PAD_MAX];

static int get_pad(struct pack_reader *r, struct msg *msg)
{
	const uint8_t *bytes;

	if (pack_get_bin(r, "pad", 0, MSG_PAD_MAX, &bytes, &msg->pad_size) != 0)
		return ERR_MALFORMED;
	return memcmp(bytes, zeros, msg->pad_size) != 0 ? pack_refuse(r, "pad") : 0;
}

static int get_section(struct pack_reader *r, enum msg_section section, struct msg *msg)
{
	switch (section) {
	case MSG_CHALLENGE:
		return pack_get_uint(r, "challenge", UINT64_MAX, &msg->challenge);
	case MSG_ECHO:
		return pack_get_uint(r, "echo", UINT64_MAX, &msg->echo);
	case MSG_PING:
		return pack_get_uint(r, "ping", UINT64_MAX, &msg->ping);
	case MSG_ACK:
		return pack_get_uint(r, "ack", UINT64_MAX, &msg->ack);
	case MSG_PING_REQ:
		return get_ping_req(r, msg);
	case MSG_RELAY:
		return get_relay(r, msg);
	case MSG_DIGEST:
		return get_digest(r, msg);
	case MSG_TIME:
		return get_time(r, msg);
	case MSG_SEEN:
		return get_seen(r, msg);
	case MSG_STATEMENTS:
		return get_items(
			r, "statements", &any_items, msg->statements, &msg->statement_count);
	case MSG_RECORDS:
		return get_items(r, "records", &any_items, msg->records, &msg->record_count);
	case MSG_VOID:
		return pack_get_bin(
			r, "void", 1, SIZE_MAX, &msg->void_record.bytes, &msg->void_record.size);
	case MSG_PAD:
		return get_pad(r, msg);
	case MSG_RECONCILE:
		return pack_get_bin(
			r, "reconcile", 1, SIZE_MAX, &msg->reconcile.bytes, &msg->reconcile.size);
	case MSG_ANNOUNCE:
		return get_items(r, "announce", &places, msg->places, &msg->place_count);
	case MSG_HOLDS:
		return pack_get_fixed(r, "holds", msg->holds, sizeof(msg->holds));
	case MSG_HELD:
		return pack_get_fixed(r, "held", msg->held, sizeof(msg->held));
	}
	return pack_refuse(r, "section");
}

static int get_msg(struct pack_reader *r, struct msg *msg)
{
	uint32_t count;
	uint64_t last = 0;

	if (pack_get_array(r, "message", 3, 3, &count) != 0 ||
		pack_get_uint(r, "session", UINT64_MAX, &msg->session) != 0 ||
		pack_get_uint(r, "counter", UINT64_MAX, &msg->counter) != 0 ||
		pack_get_map(r, "sections", MSG_SECTIONS_MAX, &count) != 0)
		return ERR_MALFORMED;
	while (count--) {
		uint64_t number;

		if (pack_get_uint(r, "section", UINT16_MAX, &number) != 0)
			return ERR_MALFORMED;
		if (number <= last)
			return pack_refuse(r, "section");
		last = number;
		if (number > MSG_SECTION_LAST) {
			if (pack_skip(r, "section", NULL) != 0)
				return ERR_MALFORMED;
			msg->later = true;
			continue;
		}
		if (get_section(r, (enum msg_section)number, msg) != 0)
			return ERR_MALFORMED;
		msg_add(msg, (enum msg_section)number);
	}
	return pack_get_end(r, "end");
}

int msg_decode(const void *plain, size_t size, struct msg *ret, const char **ret_where)
{
	struct pack_reader r = pack_reader(plain, size);
	struct msg msg = {.present = 0};

	if (get_msg(&r, &msg) != 0) {
		*ret_where = r.where;
		return ERR_MALFORMED;
	}
	*ret = msg;
	return 0;
}

/* Encoding, and the sizes that encoding gives. */

static void put_items(struct pack *out, const struct msg_item *items, size_t count)
{
	assert(count >= 1 && count <= MSG_ITEMS_MAX);
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		assert(items[i].size > 0);
		pack_put_bin(out, items[i].bytes, items[i].size);
	}
}

static void put_section(struct pack *out, enum msg_section section, const struct msg *msg)
{
	switch (section) {
	case MSG_CHALLENGE:
		pack_put_uint(out, msg->challenge);
		break;
	case MSG_ECHO:
		pack_put_uint(out, msg->echo);
		break;
	case MSG_PING:
		pack_put_uint(out, msg->ping);
		break;
	case MSG_ACK:
		pack_put_uint(out, msg->ack);
		break;
	case MSG_PING_REQ:
		pack_put_array(out, 2);
		pack_put_uint(out, msg->ping_req);
		pack_put_bin(out, &msg->ping_req_target, sizeof(msg->ping_req_target));
		break;
	case MSG_RELAY:
		pack_put_array(out, 2);
		pack_put_uint(out, msg->relay);
		pack_put_bool(out, msg->relay_answered);
		break;
	case MSG_DIGEST:
		pack_put_array(out, 2);
		pack_put_bin(out, msg->digest, sizeof(msg->digest));
		pack_put_uint(out, msg->cutoff_hour);
		break;
	case MSG_TIME:
		assert(msg->time.ms >= 0);
		pack_put_uint(out, (uint64_t)msg->time.ms);
		break;
	case MSG_SEEN:
		assert(msg->seen.ip.family != 0 && msg->seen.port != 0);
		pack_put_endpoint(out, &msg->seen);
		break;
	case MSG_STATEMENTS:
		put_items(out, msg->statements, msg->statement_count);
		break;
	case MSG_RECORDS:
		put_items(out, msg->records, msg->record_count);
		break;
	case MSG_VOID:
		assert(msg->void_record.size > 0);
		pack_put_bin(out, msg->void_record.bytes, msg->void_record.size);
		break;
	case MSG_PAD:
		pack_put_bin(out, zeros, msg->pad_size);
		break;
	case MSG_RECONCILE:
		assert(msg->reconcile.size > 0);
		pack_put_bin(out, msg->reconcile.bytes, msg->reconcile.size);
		break;
	case MSG_ANNOUNCE:
		assert(msg->place_count <= MSG_PLACES_MAX);
		put_items(out, msg->places, msg->place_count);
		break;
	case MSG_HOLDS:
		pack_put_bin(out, msg->holds, sizeof(msg->holds));
		break;
	case MSG_HELD:
		pack_put_bin(out, msg->held, sizeof(msg->held));
		break;
	}
}

static uint32_t section_count(const struct msg *msg)
{
	uint32_t count = 0;

	for (unsigned section = 1; section <= MSG_SECTION_LAST; section++)
		count += msg_has(msg, section);
	return count;
}

int msg_encode(const struct msg *msg, void *ret_plain, size_t capacity, size_t *ret_size)
{
	struct pack out;

	pack_init(&out, ret_plain, capacity);
	pack_put_array(&out, 3);
	pack_put_uint(&out, msg->session);
	pack_put_uint(&out, msg->counter);
	pack_put_map(&out, section_count(msg));
	for (unsigned section = 1; section <= MSG_SECTION_LAST; section++) {
		if (!msg_has(msg, section))
			continue;
		pack_put_uint(&out, section);
		put_section(&out, section, msg);
	}
	if (pack_status(&out) != 0)
		return ERR_TOO_BIG;
	*ret_size = out.size;
	return 0;
}

static size_t uint_size(uint64_t value)
{
	if (value < 0x80)
		return 1;
	if (value <= UINT8_MAX)
		return 2;
	if (value <= UINT16_MAX)
		return 3;
	return value <= UINT32_MAX ? 5 : 9;
}

static size_t bin_size(size_t size)
{
	if (size <= UINT8_MAX)
		return 2 + size;
	return (size <= UINT16_MAX ? 3 : 5) + size;
}

static size_t items_size(const struct msg_item *items, size_t count)
{
	size_t size = count < 16 ? 1 : 3;

	for (size_t i = 0; i < count; i++)
		size += bin_size(items[i].size);
	return size;
}

static size_t section_size(enum msg_section section, const struct msg *msg)
{
	switch (section) {
	case MSG_CHALLENGE:
		return uint_size(msg->challenge);
	case MSG_ECHO:
		return uint_size(msg->echo);
	case MSG_PING:
		return uint_size(msg->ping);
	case MSG_ACK:
		return uint_size(msg->ack);
	case MSG_PING_REQ:
		return 1 + uint_size(msg->ping_req) + bin_size(sizeof(msg->ping_req_target));
	case MSG_RELAY:
		return 1 + uint_size(msg->relay) + 1;
	case MSG_DIGEST:
		return 1 + bin_size(sizeof(msg->digest)) + uint_size(msg->cutoff_hour);
	case MSG_TIME:
		return uint_size((uint64_t)msg->time.ms);
	case MSG_SEEN:
		return 1 + bin_size(msg->seen.ip.family == 4 ? 4 : 16) + uint_size(msg->seen.port);
	case MSG_STATEMENTS:
		return items_size(msg->statements, msg->statement_count);
	case MSG_RECORDS:
		return items_size(msg->records, msg->record_count);
	case MSG_VOID:
		return bin_size(msg->void_record.size);
	case MSG_PAD:
		return bin_size(msg->pad_size);
	case MSG_RECONCILE:
		return bin_size(msg->reconcile.size);
	case MSG_ANNOUNCE:
		return items_size(msg->places, msg->place_count);
	case MSG_HOLDS:
		return bin_size(sizeof(msg->holds));
	case MSG_HELD:
		return bin_size(sizeof(msg->held));
	}
	return 0;
}

size_t msg_size(const struct msg *msg)
{
	size_t size = 1 + uint_size(msg->session) + uint_size(msg->counter) +
		      (section_count(msg) < 16 ? 1 : 3);

	for (unsigned section = 1; section <= MSG_SECTION_LAST; section++) {
		if (msg_has(msg, section))
			size += uint_size(section) + section_size(section, msg);
	}
	return size;
}

void msg_pad(struct msg *msg, size_t size)
{
	size_t least =
		msg_size(msg) + 1 + bin_size(0); /* the section's number and an empty string */
	size_t room = size > least ? size - least : 0;

	if (size < least || room > MSG_PAD_MAX)
		return;
	/* a string of 256 and more has a longer head */
	msg->pad_size = room > UINT8_MAX ? room - 1 : room;
	msg_add(msg, MSG_PAD);
}
