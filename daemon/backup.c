#include "daemon/backup.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define VERSION	    1
#define LENGTH_SIZE 4

_Static_assert(BACKUP_ENTRY_MAX >= LENGTH_SIZE + 2 * (KEYFILE_SIZE_MAX + 64),
	"the head fits beside the key file's text");

enum kind { HEAD = 1, RECORD, PLACE, END, ATTACHMENT, NOTHING };

/* In which order they come: a later one never before an earlier one. */
static const unsigned rank[] = {
	[HEAD] = 1, [RECORD] = 2, [PLACE] = 3, [ATTACHMENT] = 4, [END] = 5, [NOTHING] = 6};

void backup_done(struct backup *backup)
{
	keyfile_free(backup->keys);
	while (backup->record_count)
		record_unref(backup->records[--backup->record_count]);
	free(backup->records);
	free(backup->places);
	free(backup->attachments);
	*backup = (struct backup){0};
}

/* Room for one more of a list. */
static int grow(void *list, size_t count, size_t most, size_t size, size_t *capacity)
{
	size_t more = *capacity ? *capacity * 2 : 64;
	void *grown, **items = list;

	if (count == most)
		return ERR_LIMIT;
	if (count < *capacity)
		return 0;
	grown = reallocarray(*items, more, size);
	if (!grown)
		return ERR_NOMEM;
	*items = grown;
	*capacity = more;
	return 0;
}

int backup_add_record(struct backup *backup, struct record *record)
{
	int err = grow(&backup->records, backup->record_count, BACKUP_RECORDS_MAX,
		sizeof(struct record *), &backup->record_capacity);

	if (!err)
		backup->records[backup->record_count++] = record_ref(record);
	return err;
}

int backup_add_place(struct backup *backup, const struct backup_place *place)
{
	int err = grow(&backup->places, backup->place_count, BACKUP_PLACES_MAX, sizeof(*place),
		&backup->place_capacity);

	if (!err)
		backup->places[backup->place_count++] = *place;
	return err;
}

int backup_add_attachment(struct backup *backup, const struct backup_attachment *attachment)
{
	int err = grow(&backup->attachments, backup->attachment_count, BACKUP_ATTACHMENTS_MAX,
		sizeof(*attachment), &backup->attachment_capacity);

	if (!err)
		backup->attachments[backup->attachment_count++] = *attachment;
	return err;
}

int backup_stream_init(struct backup_stream *stream, size_t piece_size)
{
	*stream = (struct backup_stream){.piece_size = piece_size, .stage = HEAD};
	stream->buffer = sodium_malloc(LENGTH_SIZE + BACKUP_ENTRY_MAX + piece_size);
	return stream->buffer ? 0 : ERR_NOMEM;
}

void backup_stream_done(struct backup_stream *stream)
{
	sodium_free(stream->buffer);
	*stream = (struct backup_stream){0};
}

/* ---- writing ---- */

/* The key file's text is made at the far end of the buffer, which is guarded, and of which the
 * first entry leaves that much. */
static void put_head(
	struct pack *out, const struct backup_stream *stream, const struct backup *backup)
{
	char *text = (char *)stream->buffer + BACKUP_ENTRY_MAX - KEYFILE_SIZE_MAX;
	size_t size = keyfile_format(backup->keys, text);

	pack_put_array(out, 5);
	pack_put_uint(out, HEAD);
	pack_put_uint(out, VERSION);
	pack_put_uint(out, (uint64_t)backup->made.ms);
	pack_put_uint(out, backup->generation);
	pack_put_bin(out, text, size);
	sodium_memzero(text, size);
}

/* The entry that is next; which is the one after it. */
static void put_entry(struct pack *out, struct backup_stream *stream, const struct backup *backup)
{
	const struct backup_attachment *attachment;
	const struct backup_place *place;
	const struct record *record;

	if (stream->stage == RECORD && stream->next == backup->record_count) {
		stream->stage = PLACE;
		stream->next = 0;
	}
	if (stream->stage == PLACE && stream->next == backup->place_count) {
		stream->stage = ATTACHMENT;
		stream->next = 0;
	}
	if (stream->stage == ATTACHMENT && stream->next == backup->attachment_count)
		stream->stage = END;
	switch (stream->stage) {
	case HEAD:
		put_head(out, stream, backup);
		stream->stage = RECORD;
		break;
	case RECORD:
		record = backup->records[stream->next++];
		pack_put_array(out, 2);
		pack_put_uint(out, RECORD);
		pack_put_bin(out, record->bytes, record->size);
		break;
	case PLACE:
		place = &backup->places[stream->next++];
		pack_put_array(out, 3);
		pack_put_uint(out, PLACE);
		pack_put_bin(out, &place->node, sizeof(place->node));
		pack_put_endpoint(out, &place->endpoint);
		break;
	case ATTACHMENT:
		attachment = &backup->attachments[stream->next++];
		pack_put_array(out, 4);
		pack_put_uint(out, ATTACHMENT);
		pack_put_str(out, attachment->segment);
		pack_put_str(out, attachment->addresses);
		pack_put_str(out, attachment->ports);
		break;
	case END:
		pack_put_array(out, 3);
		pack_put_uint(out, END);
		pack_put_uint(out, backup->record_count);
		pack_put_uint(out, backup->place_count);
		stream->stage = NOTHING;
		break;
	}
}

static void take_from_front(struct backup_stream *stream, size_t size)
{
	stream->used -= size;
	memmove(stream->buffer, stream->buffer + size, stream->used);
}

size_t backup_write(struct backup_stream *stream, const struct backup *backup, uint8_t *ret_piece)
{
	size_t size;

	while (stream->used < stream->piece_size && stream->stage != NOTHING) {
		uint8_t *at = stream->buffer + stream->used;
		struct pack pack;

		pack_init(&pack, at + LENGTH_SIZE, BACKUP_ENTRY_MAX);
		put_entry(&pack, stream, backup);
		assert(pack_status(&pack) == 0); /* everything fits */
		for (int i = 0; i < LENGTH_SIZE; i++)
			at[i] = (uint8_t)(pack.size >> (24 - 8 * i));
		stream->used += LENGTH_SIZE + pack.size;
	}
	size = stream->used < stream->piece_size ? stream->used : stream->piece_size;
	memcpy(ret_piece, stream->buffer, size);
	take_from_front(stream, size);
	return size;
}

/* ---- reading ---- */

static int get_keys(struct pack_reader *r, struct backup *backup)
{
	char error[KEYFILE_ERROR_SIZE];
	const uint8_t *bytes;
	struct keyfile *keys;
	size_t size;
	char *text;
	int err;

	if (pack_get_bin(r, "keys", 1, KEYFILE_SIZE_MAX, &bytes, &size) != 0)
		return ERR_MALFORMED;
	text = sodium_malloc(KEYFILE_SIZE_MAX);
	keys = sodium_malloc(sizeof(*keys));
	err = text && keys ? 0 : ERR_NOMEM;
	if (!err) {
		sodium_memzero(keys, sizeof(*keys));
		memcpy(text, bytes, size);
		err = keyfile_parse(text, size, keys, error);
	}
	if (!err && !keys->has_mesh)
		err = ERR_MALFORMED;
	sodium_free(text);
	if (err) {
		keyfile_free(keys);
		return err;
	}
	backup->keys = keys;
	return 0;
}

static int get_head(struct pack_reader *r, struct backup *backup)
{
	uint64_t version, made;

	if (pack_get_uint(r, "version", UINT32_MAX, &version) != 0)
		return ERR_MALFORMED;
	if (version != VERSION)
		return ERR_VERSION;
	if (pack_get_uint(r, "made", INT64_MAX, &made) != 0 ||
		pack_get_uint(r, "generation", UINT64_MAX, &backup->generation) != 0)
		return ERR_MALFORMED;
	backup->made.ms = (int64_t)made;
	return get_keys(r, backup);
}

static int get_record(struct pack_reader *r, struct backup *backup)
{
	struct record *record;
	const uint8_t *bytes;
	size_t size;
	int err;

	if (pack_get_bin(r, "record", 1, RECORD_SIZE_MAX, &bytes, &size) != 0)
		return ERR_MALFORMED;
	err = record_decode(&backup->keys->mesh, bytes, size, &record);
	if (err)
		return err;
	err = backup_add_record(backup, record);
	record_unref(record);
	return err;
}

static int get_place(struct pack_reader *r, struct backup *backup)
{
	struct backup_place place;

	if (pack_get_fixed(r, "node", &place.node, sizeof(place.node)) != 0 ||
		pack_get_endpoint(r, "endpoint", &place.endpoint) != 0)
		return ERR_MALFORMED;
	return backup_add_place(backup, &place);
}

static int get_attachment(struct pack_reader *r, struct backup *backup)
{
	struct backup_attachment attachment;

	if (pack_get_str(r, "segment", 1, attachment.segment, sizeof(attachment.segment)) != 0 ||
		pack_get_str(r, "addresses", 0, attachment.addresses,
			sizeof(attachment.addresses)) != 0 ||
		pack_get_str(r, "ports", 0, attachment.ports, sizeof(attachment.ports)) != 0)
		return ERR_MALFORMED;
	return backup_add_attachment(backup, &attachment);
}

static int get_end(struct pack_reader *r, const struct backup *backup)
{
	uint64_t records, places;

	if (pack_get_uint(r, "records", UINT64_MAX, &records) != 0 ||
		pack_get_uint(r, "places", UINT64_MAX, &places) != 0)
		return ERR_MALFORMED;
	return records == backup->record_count && places == backup->place_count ? 0 : ERR_MALFORMED;
}

static int get_entry(
	struct backup_stream *stream, struct backup *backup, const uint8_t *bytes, size_t size)
{
	static const uint32_t fields[] = {
		[HEAD] = 5, [RECORD] = 2, [PLACE] = 3, [END] = 3, [ATTACHMENT] = 4};
	struct pack_reader reader = pack_reader(bytes, size);
	uint64_t kind;
	uint32_t count;
	int err = ERR_MALFORMED;

	if (pack_get_array(&reader, "entry", 2, 5, &count) != 0 ||
		pack_get_uint(&reader, "kind", ATTACHMENT, &kind) != 0 || kind < HEAD ||
		count != fields[kind] || rank[kind] < rank[stream->stage] ||
		(stream->stage == HEAD && kind != HEAD))
		return ERR_MALFORMED;
	switch (kind) {
	case HEAD:
		err = get_head(&reader, backup);
		break;
	case RECORD:
		err = get_record(&reader, backup);
		break;
	case PLACE:
		err = get_place(&reader, backup);
		break;
	case ATTACHMENT:
		err = get_attachment(&reader, backup);
		break;
	case END:
		err = get_end(&reader, backup);
		break;
	}
	if (!err)
		err = pack_get_end(&reader, "entry");
	stream->stage = kind == HEAD ? RECORD : kind == END ? NOTHING : (unsigned)kind;
	return err;
}

int backup_read(
	struct backup_stream *stream, struct backup *backup, const uint8_t *piece, size_t size)
{
	size_t at = 0;
	int err = 0;

	assert(size <= stream->piece_size);
	memcpy(stream->buffer + stream->used, piece, size);
	stream->used += size;
	while (!err && stream->used - at >= LENGTH_SIZE) {
		const uint8_t *entry = stream->buffer + at;
		size_t length = (size_t)entry[0] << 24 | (size_t)entry[1] << 16 |
				(size_t)entry[2] << 8 | entry[3];

		if (length > BACKUP_ENTRY_MAX)
			err = ERR_MALFORMED;
		else if (stream->used - at < LENGTH_SIZE + length)
			break;
		else
			err = get_entry(stream, backup, entry + LENGTH_SIZE, length);
		at += LENGTH_SIZE + length;
	}
	if (err) {
		stream->stage = HEAD;
		return err;
	}
	take_from_front(stream, at);
	return 0;
}

bool backup_is_whole(const struct backup_stream *stream)
{
	return stream->stage == NOTHING && stream->used == 0;
}
