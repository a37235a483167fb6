#include "gossip/wire/frame.h"

#include <assert.h>

/* Elements of each, with its number. */
static const uint8_t lengths[] = {
	[FRAME_LATER] = 1,
	[FRAME_JOIN_REQUEST] = 6,
	[FRAME_JOIN_OFFER] = 5,
	[FRAME_JOIN_COMMIT] = 2,
	[FRAME_JOIN_DONE] = 1,
	[FRAME_REFUSED] = 2,
	[FRAME_SYNC] = 2,
	[FRAME_RECORDS] = 2,
	[FRAME_INTRODUCE] = 3,
	[FRAME_VOID] = 2,
	[FRAME_HOLDS] = 2,
};

static void put_optional(struct pack *out, const struct msg_item *item)
{
	if (item->size)
		pack_put_bin(out, item->bytes, item->size);
	else
		pack_put_nil(out);
}

void frame_encode(const struct frame *frame, struct pack *out)
{
	assert(frame->type != FRAME_LATER);
	pack_put_array(out, lengths[frame->type]);
	pack_put_uint(out, frame->type);
	switch (frame->type) {
	case FRAME_JOIN_REQUEST:
		put_optional(out, &frame->grant);
		pack_put_bin(out, frame->record.bytes, frame->record.size);
		pack_put_bin(out, &frame->node, sizeof(frame->node));
		pack_put_str(out, frame->name);
		pack_put_bin(out, &frame->sig, sizeof(frame->sig));
		break;
	case FRAME_JOIN_OFFER:
		pack_put_uint(out, frame->stamp);
		pack_put_bin(out, &frame->node, sizeof(frame->node));
		pack_put_bin(out, &frame->sig, sizeof(frame->sig));
		pack_put_uint(out, (uint64_t)frame->time.ms);
		break;
	case FRAME_LATER:
	case FRAME_JOIN_DONE:
		break;
	case FRAME_REFUSED:
		pack_put_str(out, frame->label);
		break;
	case FRAME_SYNC:
		pack_put_bin(out, frame->sync.bytes, frame->sync.size);
		break;
	case FRAME_RECORDS:
		pack_put_array(out, (uint32_t)frame->record_count);
		for (size_t i = 0; i < frame->record_count; i++)
			pack_put_bin(out, frame->records[i].bytes, frame->records[i].size);
		break;
	case FRAME_INTRODUCE:
		put_optional(out, &frame->grant);
		pack_put_bin(out, frame->record.bytes, frame->record.size);
		break;
	case FRAME_JOIN_COMMIT:
	case FRAME_VOID:
		pack_put_bin(out, frame->record.bytes, frame->record.size);
		break;
	case FRAME_HOLDS:
		pack_put_bin(out, frame->holds, sizeof(frame->holds));
		break;
	}
}

static int get_item(struct pack_reader *r, const char *field, size_t max, struct msg_item *ret)
{
	return pack_get_bin(r, field, 1, max, &ret->bytes, &ret->size);
}

static int get_optional(struct pack_reader *r, const char *field, struct msg_item *ret)
{
	if (pack_peek(r) == PACK_NIL)
		return pack_get_nil(r, field);
	return get_item(r, field, FRAME_RECORD_MAX, ret);
}

static int get_time(struct pack_reader *r, wtime_t *ret)
{
	uint64_t ms;

	if (pack_get_uint(r, "time", WTIME_MAX_MS, &ms) != 0)
		return ERR_MALFORMED;
	*ret = (wtime_t){(int64_t)ms};
	return 0;
}

static int get_records(struct pack_reader *r, struct frame *frame)
{
	uint32_t count;

	if (pack_get_array(r, "records", 1, FRAME_RECORDS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (frame->record_count = 0; frame->record_count < count; frame->record_count++) {
		if (get_item(r, "records", FRAME_RECORD_MAX,
			    &frame->records[frame->record_count]) != 0)
			return ERR_MALFORMED;
	}
	return 0;
}

static int get_fields(struct pack_reader *r, struct frame *frame)
{
	switch (frame->type) {
	case FRAME_JOIN_REQUEST:
		if (get_optional(r, "grant", &frame->grant) != 0 ||
			get_item(r, "invite", FRAME_RECORD_MAX, &frame->record) != 0 ||
			pack_get_fixed(r, "node", &frame->node, sizeof(frame->node)) != 0 ||
			pack_get_str(r, "name", 1, frame->name, sizeof(frame->name)) != 0)
			return ERR_MALFORMED;
		return pack_get_fixed(r, "signature", &frame->sig, sizeof(frame->sig));
	case FRAME_JOIN_OFFER:
		if (pack_get_uint(r, "stamp", UINT64_MAX, &frame->stamp) != 0 ||
			pack_get_fixed(r, "witness", &frame->node, sizeof(frame->node)) != 0 ||
			pack_get_fixed(r, "signature", &frame->sig, sizeof(frame->sig)) != 0)
			return ERR_MALFORMED;
		return get_time(r, &frame->time);
	case FRAME_LATER:
	case FRAME_JOIN_DONE:
		return 0;
	case FRAME_REFUSED:
		return pack_get_str(r, "label", 1, frame->label, sizeof(frame->label));
	case FRAME_SYNC:
		return get_item(r, "sync", FRAME_SYNC_MAX, &frame->sync);
	case FRAME_RECORDS:
		return get_records(r, frame);
	case FRAME_INTRODUCE:
		if (get_optional(r, "grant", &frame->grant) != 0)
			return ERR_MALFORMED;
		return get_item(r, "admission", FRAME_RECORD_MAX, &frame->record);
	case FRAME_JOIN_COMMIT:
	case FRAME_VOID:
		return get_item(r, "record", FRAME_RECORD_MAX, &frame->record);
	case FRAME_HOLDS:
		return pack_get_fixed(r, "holds", frame->holds, sizeof(frame->holds));
	}
	return pack_refuse(r, "type");
}

static int get_frame(struct pack_reader *r, struct frame *frame)
{
	uint32_t count, known;
	uint64_t type;

	if (pack_get_array(r, "frame", 1, FRAME_ELEMENTS_MAX, &count) != 0 ||
		pack_get_uint(r, "type", UINT16_MAX, &type) != 0)
		return ERR_MALFORMED;
	frame->type = type <= FRAME_LAST ? (enum frame_type)type : FRAME_LATER;
	known = lengths[frame->type];
	if (type == 0 || count < known)
		return pack_refuse(r, "type");
	if (get_fields(r, frame) != 0)
		return ERR_MALFORMED;
	for (; count > known; count--) {
		if (pack_skip(r, "frame", NULL) != 0)
			return ERR_MALFORMED;
	}
	return pack_get_end(r, "frame");
}

int frame_decode(const void *data, size_t size, struct frame *ret, const char **ret_where)
{
	struct pack_reader r = pack_reader(data, size);
	struct frame frame = {0};

	if (get_frame(&r, &frame) != 0) {
		*ret_where = r.where;
		return ERR_MALFORMED;
	}
	*ret = frame;
	return 0;
}
