/*
 * What makes meshd-next of this meshd: a meshd of the next version, as far as others can tell. The
 * linker puts these in the place of the functions they are named after (--wrap). It says more than
 * this version knows, wherever more may be said (PROTOCOL.md, "Versions"): sections of datagrams,
 * messages of streams and elements of those it knows, fields of its descriptor, a type of record;
 * and its database is of a later version. From the environment:
 *
 *   MESHD_NEXT_LEAST  the least version of the protocol that its descriptor names; 1
 *   MESHD_NEXT_APART  it speaks no version of the protocol but its own
 */
#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/state_db.h"
#include "gossip/crypto/channel.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/wire/frame.h"

#define NEXT_VERSION  "0.2.0"
#define NEXT_PROTOCOL (KEYS_PROTOCOL + 1)
#define NEXT_NUMBER   99 /* of sections, messages and records */
#define NEXT_TEXT     "next"
#define NEXT_SIZE     (sizeof(NEXT_TEXT) - 1)

/* ---- what is said besides ---- */

/* A count of up to 15 is in the byte of the array or map itself. */
static void count_one_more(uint8_t *head)
{
	assert((*head & 0x0f) < 0x0f);
	++*head;
}

int __real_msg_encode(const struct msg *msg, void *ret, size_t capacity, size_t *ret_size);
int __wrap_msg_encode(const struct msg *msg, void *ret, size_t capacity, size_t *ret_size);
int __wrap_msg_encode(const struct msg *msg, void *ret, size_t capacity, size_t *ret_size)
{
	int err = __real_msg_encode(msg, ret, capacity, ret_size);
	struct pack_reader reader;
	struct pack out;
	uint64_t number;
	uint32_t count;

	if (err || capacity - *ret_size < 3 + NEXT_SIZE)
		return err;
	reader = pack_reader(ret, *ret_size);
	err = pack_get_array(&reader, "", 3, 3, &count);
	err = err ? err : pack_get_uint(&reader, "", UINT64_MAX, &number);
	err = err ? err : pack_get_uint(&reader, "", UINT64_MAX, &number);
	assert(!err);
	count_one_more((uint8_t *)ret + (reader.at - (const uint8_t *)ret));
	pack_init(&out, ret, capacity);
	out.size = *ret_size;
	pack_put_uint(&out, NEXT_NUMBER);
	pack_put_str(&out, NEXT_TEXT);
	assert(!out.failed);
	*ret_size = out.size;
	return 0;
}

void __real_frame_encode(const struct frame *frame, struct pack *out);
void __wrap_frame_encode(const struct frame *frame, struct pack *out);
void __wrap_frame_encode(const struct frame *frame, struct pack *out)
{
	size_t start = out->size;

	__real_frame_encode(frame, out);
	if (out->failed)
		return;
	count_one_more(out->data + start);
	pack_put_str(out, NEXT_TEXT);
}

/* Before each message one that nobody knows: [99, "next"]. */
int __real_channel_send(
	struct channel *channel, const void *message, size_t size, struct pack *out);
int __wrap_channel_send(
	struct channel *channel, const void *message, size_t size, struct pack *out);
int __wrap_channel_send(struct channel *channel, const void *message, size_t size, struct pack *out)
{
	static const uint8_t unknown[] = {0x92, NEXT_NUMBER, 0xa4, 'n', 'e', 'x', 't'};
	int err = __real_channel_send(channel, unknown, sizeof(unknown), out);

	return err ? err : __real_channel_send(channel, message, size, out);
}

void __real_descriptor_encode(const struct descriptor *descriptor, struct pack *out);
void __wrap_descriptor_encode(const struct descriptor *descriptor, struct pack *out);
void __wrap_descriptor_encode(const struct descriptor *descriptor, struct pack *out)
{
	const char *least = getenv("MESHD_NEXT_LEAST");
	struct descriptor said = *descriptor;
	size_t start = out->size;

	said.protocol_least = least ? (uint16_t)atoi(least) : KEYS_PROTOCOL;
	said.protocol_most = NEXT_PROTOCOL;
	__real_descriptor_encode(&said, out);
	count_one_more(out->data + start);
	pack_put_map(out, 1);
	pack_put_uint(out, NEXT_NUMBER);
	pack_put_str(out, NEXT_TEXT);
}

void __real_gossip_view_publish_descriptor(struct gossip *g);
void __wrap_gossip_view_publish_descriptor(struct gossip *g);
void __wrap_gossip_view_publish_descriptor(struct gossip *g)
{
	struct record_draft draft = {.type = (enum record_type)NEXT_NUMBER,
		.key = NEXT_TEXT,
		.key_size = NEXT_SIZE,
		.value = NEXT_TEXT,
		.value_size = NEXT_SIZE};

	__real_gossip_view_publish_descriptor(g);
	if (!gossip_record_published(g, NEXT_NUMBER, NEXT_TEXT, NEXT_SIZE) &&
		gossip_record_publish(g, g->config.identity, &draft) != 0)
		abort();
}

int __real_gossip_new(struct gossip_config *config, struct gossip_time time, struct gossip **ret);
int __wrap_gossip_new(struct gossip_config *config, struct gossip_time time, struct gossip **ret);
int __wrap_gossip_new(struct gossip_config *config, struct gossip_time time, struct gossip **ret)
{
	strcpy(config->version, NEXT_VERSION);
	return __real_gossip_new(config, time, ret);
}

/* ---- a protocol of its own ---- */

static void change(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size && getenv("MESHD_NEXT_APART"); i++)
		bytes[i] ^= 0xff;
}

void __real_keys_pair(const uint8_t shared[32], const struct id *mesh, const struct id *self,
	const struct id *peer, struct keys_pair *ret);
void __wrap_keys_pair(const uint8_t shared[32], const struct id *mesh, const struct id *self,
	const struct id *peer, struct keys_pair *ret);
void __wrap_keys_pair(const uint8_t shared[32], const struct id *mesh, const struct id *self,
	const struct id *peer, struct keys_pair *ret)
{
	__real_keys_pair(shared, mesh, self, peer, ret);
	change((uint8_t *)ret, sizeof(*ret));
}

void __real_keys_derive(enum keys_domain domain, const uint8_t secret[32], const void *data,
	size_t size, uint8_t ret[32]);
void __wrap_keys_derive(enum keys_domain domain, const uint8_t secret[32], const void *data,
	size_t size, uint8_t ret[32]);
void __wrap_keys_derive(enum keys_domain domain, const uint8_t secret[32], const void *data,
	size_t size, uint8_t ret[32])
{
	__real_keys_derive(domain, secret, data, size, ret);
	if (domain == KEYS_CHANNEL_HELLO)
		change(ret, 32);
}

/* ---- its database ---- */

static void run(const char *dir, const char *sql)
{
	char path[STATE_PATH_SIZE];
	sqlite3 *sqlite = NULL;
	int result;

	snprintf(path, sizeof(path), "%s/" STATE_NAME, dir);
	result = sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
	sqlite3_close(sqlite);
	if (result != SQLITE_OK && result != SQLITE_CANTOPEN)
		abort();
}

#define TEXT_OF(number)	  #number
#define PRAGMA_OF(number) "PRAGMA user_version = " TEXT_OF(number)

int __real_state_db_open(const char *dir, const struct id *node, wtime_t wall,
	struct state_db **ret, struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE]);
int __wrap_state_db_open(const char *dir, const struct id *node, wtime_t wall,
	struct state_db **ret, struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE]);
int __wrap_state_db_open(const char *dir, const struct id *node, wtime_t wall,
	struct state_db **ret, struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE])
{
	int err;

	run(dir, PRAGMA_OF(STATE_DB_VERSION));
	err = __real_state_db_open(dir, node, wall, ret, ret_info, ret_error);
	if (!err)
		run(dir, "BEGIN; CREATE TABLE IF NOT EXISTS later(what);"
			 "PRAGMA user_version = 1000; COMMIT");
	return err;
}
