#include "wg/uapi.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "gossip/base/text.h"

/* What a peer takes before its first prefix, and one prefix: so that only prefixes can be what does
 * not fit. */
#define PEER_HEAD_SIZE 512
#define ALLOWED_SIZE   80
#define LINE_MAX_SIZE  256 /* the longest we know has 83 */

struct text {
	char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(text->at, text->end - text->at, format, args);
	va_end(args);
	assert(size >= 0 && size < text->end - text->at);
	text->at += size;
}

static void put_key(struct text *text, const char *name, const uint8_t key[WG_KEY_SIZE])
{
	char hex[WG_KEY_SIZE * 2 + 1];

	put(text, "%s=%s\n", name, text_hex(key, WG_KEY_SIZE, hex));
	sodium_memzero(hex, sizeof(hex));
}

static void put_device(struct text *text, const struct wg_op *op)
{
	if (op->set & WG_SET_KEY)
		put_key(text, "private_key", op->key);
	if (op->set & WG_SET_PORT)
		put(text, "listen_port=%u\n", op->listen_port);
	if (op->set & WG_SET_FWMARK)
		put(text, "fwmark=%u\n", op->fwmark);
}

static void put_peer_head(struct text *text, const struct wg_op *op, bool continued)
{
	char endpoint[TEXT_ENDPOINT_SIZE];

	put_key(text, "public_key", op->public_key);
	if (op->kind == WG_OP_PEER_REMOVE)
		put(text, "remove=true\n");
	if (op->kind == WG_OP_PEER_UPDATE)
		put(text, "update_only=true\n");
	if (op->kind == WG_OP_PEER_REMOVE || continued)
		return;
	if (op->set & WG_SET_KEY)
		put_key(text, "preshared_key", op->key);
	if (op->set & WG_SET_ENDPOINT)
		put(text, "endpoint=%s\n", text_endpoint(&op->endpoint, endpoint));
	if (op->set & WG_SET_KEEPALIVE)
		put(text, "persistent_keepalive_interval=%u\n", op->keepalive_s);
	if (op->set & WG_SET_REPLACE)
		put(text, "replace_allowed_ips=true\n");
}

/* The peer, or its next part; true when it is written to its end. */
static bool put_peer(struct text *text, struct uapi_writer *writer)
{
	const struct wg_op *op = &writer->ops->ops[writer->op];
	char prefix[TEXT_PREFIX_SIZE];

	put_peer_head(text, op, writer->allowed > 0);
	while (writer->allowed < op->allowed_count && text->end - text->at > ALLOWED_SIZE) {
		const struct prefix *next =
			&writer->ops->prefixes[op->allowed_at + writer->allowed++];
		put(text, "allowed_ip=%s\n", text_prefix(next, prefix));
	}
	return writer->allowed == op->allowed_count;
}

size_t uapi_next(struct uapi_writer *writer, char *text, size_t size)
{
	struct text out = {text, text + size};

	assert(size >= 1024);
	if (writer->op == writer->ops->count)
		return 0;
	put(&out, "set=1\n");
	while (writer->op < writer->ops->count &&
		out.end - out.at > PEER_HEAD_SIZE + ALLOWED_SIZE) {
		if (writer->ops->ops[writer->op].kind == WG_OP_DEVICE)
			put_device(&out, &writer->ops->ops[writer->op]);
		else if (!put_peer(&out, writer))
			break;
		writer->op++;
		writer->allowed = 0;
	}
	put(&out, "\n");
	return out.at - text;
}

bool uapi_complete(const char *text, size_t size)
{
	return size >= 2 && text[size - 1] == '\n' && text[size - 2] == '\n';
}

enum key {
	KEY_PRIVATE_KEY,
	KEY_LISTEN_PORT,
	KEY_FWMARK,
	KEY_PUBLIC_KEY,
	KEY_PRESHARED_KEY,
	KEY_ENDPOINT,
	KEY_KEEPALIVE,
	KEY_ALLOWED_IP,
	KEY_HANDSHAKE_S,
	KEY_HANDSHAKE_NS,
	KEY_RX_BYTES,
	KEY_TX_BYTES,
	KEY_ERRNO,
	KEY_COUNT,
};

static const char *const key_names[KEY_COUNT] = {
	[KEY_PRIVATE_KEY] = "private_key",
	[KEY_LISTEN_PORT] = "listen_port",
	[KEY_FWMARK] = "fwmark",
	[KEY_PUBLIC_KEY] = "public_key",
	[KEY_PRESHARED_KEY] = "preshared_key",
	[KEY_ENDPOINT] = "endpoint",
	[KEY_KEEPALIVE] = "persistent_keepalive_interval",
	[KEY_ALLOWED_IP] = "allowed_ip",
	[KEY_HANDSHAKE_S] = "last_handshake_time_sec",
	[KEY_HANDSHAKE_NS] = "last_handshake_time_nsec",
	[KEY_RX_BYTES] = "rx_bytes",
	[KEY_TX_BYTES] = "tx_bytes",
	[KEY_ERRNO] = "errno",
};

struct reader {
	const char *at, *end;
	char line[LINE_MAX_SIZE]; /* the present one: its key, NUL, its value, NUL */
	const char *value;
	struct wg_device *device;
	struct wg_peer *peer; /* NULL before the first */
	unsigned int seen;    /* keys of the present section */
	bool finished;
	int number;
};

static int read_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!text[0])
		return ERR_MALFORMED;
	for (; *text; text++) {
		unsigned int digit = (unsigned char)*text - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return ERR_MALFORMED;
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}

static int read_line(struct reader *reader)
{
	const char *newline = memchr(reader->at, '\n', reader->end - reader->at);
	size_t size = newline ? newline - reader->at : 0;
	char *equals;

	if (!newline || size >= sizeof(reader->line) || memchr(reader->at, '\0', size))
		return ERR_MALFORMED;
	memcpy(reader->line, reader->at, size);
	reader->line[size] = '\0';
	reader->at = newline + 1;
	equals = strchr(reader->line, '=');
	if (!equals || equals == reader->line)
		return ERR_MALFORMED;
	*equals = '\0';
	reader->value = equals + 1;
	return 0;
}

static int read_peer_start(struct reader *reader)
{
	uint8_t key[WG_KEY_SIZE];
	int err = text_parse_hex(reader->value, key, sizeof(key));

	reader->seen &= 1 << KEY_ERRNO;
	return err ? err : wg_device_add_peer(reader->device, key, &reader->peer);
}

/* wireguard-go tells the zone of a link-local endpoint by name or not at all; it is not compared.
 */
static int read_endpoint(const char *value, struct endpoint *ret)
{
	const char *zone = strchr(value, '%'), *close = zone ? strchr(zone, ']') : NULL;
	char bare[LINE_MAX_SIZE];

	if (!zone)
		return text_parse_endpoint(value, ret);
	if (!close)
		return ERR_MALFORMED;
	snprintf(bare, sizeof(bare), "%.*s%s", (int)(zone - value), value, close);
	return text_parse_endpoint(bare, ret);
}

static int read_prefix(const char *value, struct wg_peer *peer)
{
	struct prefix prefix;
	int err = text_parse_prefix(value, false, &prefix);

	return err ? ERR_MALFORMED : wg_peer_add_allowed(peer, &prefix);
}

static int read_peer_value(struct reader *reader, enum key key)
{
	struct wg_peer *peer = reader->peer;
	uint64_t number = 0;
	int err;

	switch ((int)key) {
	case KEY_PRESHARED_KEY:
		return text_parse_hex(reader->value, peer->preshared_key, WG_KEY_SIZE);
	case KEY_ENDPOINT:
		return read_endpoint(reader->value, &peer->endpoint);
	case KEY_ALLOWED_IP:
		return read_prefix(reader->value, peer);
	case KEY_KEEPALIVE:
		err = read_number(reader->value, WG_KEEPALIVE_MAX, &number);
		peer->keepalive_s = number;
		return err;
	case KEY_HANDSHAKE_S:
		err = read_number(reader->value, INT64_MAX / 1000 - 1, &number);
		peer->last_handshake.ms += number * 1000;
		return err;
	case KEY_HANDSHAKE_NS:
		err = read_number(reader->value, 999999999, &number);
		peer->last_handshake.ms += number / 1000000;
		return err;
	case KEY_RX_BYTES:
		return read_number(reader->value, UINT64_MAX, &peer->rx_bytes);
	case KEY_TX_BYTES:
		return read_number(reader->value, UINT64_MAX, &peer->tx_bytes);
	default:
		return ERR_MALFORMED;
	}
}

static int read_device_value(struct reader *reader, enum key key)
{
	uint64_t number = 0;
	int err;

	switch ((int)key) {
	case KEY_PRIVATE_KEY:
		return text_parse_hex(reader->value, reader->device->private_key, WG_KEY_SIZE);
	case KEY_LISTEN_PORT:
		err = read_number(reader->value, UINT16_MAX, &number);
		reader->device->listen_port = number;
		return err;
	case KEY_FWMARK:
		err = read_number(reader->value, UINT32_MAX, &number);
		reader->device->fwmark = number;
		return err;
	default:
		return ERR_MALFORMED;
	}
}

/* The last line: wireguard-go's number is negative, others' is positive. */
static int read_errno(struct reader *reader)
{
	const char *digits = reader->value + (reader->value[0] == '-');
	uint64_t number;

	if (read_number(digits, 4095, &number) || reader->end - reader->at != 1 ||
		reader->at[0] != '\n')
		return ERR_MALFORMED;
	reader->number = number;
	reader->finished = true;
	return 0;
}

static enum key find_key(const char *name)
{
	enum key key = 0;

	while (key < KEY_COUNT && strcmp(name, key_names[key]) != 0)
		key++;
	return key;
}

static int read_entry(struct reader *reader)
{
	enum key key = find_key(reader->line);

	if (key == KEY_COUNT)
		return 0;
	if (key == KEY_ERRNO)
		return read_errno(reader);
	if (!reader->device)
		return ERR_MALFORMED; /* a status has nothing else */
	if (key == KEY_PUBLIC_KEY)
		return read_peer_start(reader);
	if (key != KEY_ALLOWED_IP) {
		if (reader->seen & 1U << key)
			return ERR_MALFORMED;
		reader->seen |= 1U << key;
	}
	return reader->peer ? read_peer_value(reader, key) : read_device_value(reader, key);
}

static int read_all(struct reader *reader)
{
	int err = 0;

	while (!err && !reader->finished) {
		err = read_line(reader);
		if (!err)
			err = read_entry(reader);
	}
	sodium_memzero(reader->line, sizeof(reader->line));
	return err;
}

int uapi_read_status(const char *text, size_t size, int *ret_errno)
{
	struct reader reader = {.at = text, .end = text + size};
	int err = read_all(&reader);

	if (!err)
		*ret_errno = reader.number;
	return err;
}

int uapi_read_device(const char *text, size_t size, struct wg_device *ret, int *ret_errno)
{
	static const uint8_t zero[WG_KEY_SIZE];
	struct wg_device device = {0};
	struct reader reader = {.at = text, .end = text + size, .device = &device};
	int err = read_all(&reader);

	if (!err && reader.number) {
		*ret_errno = reader.number;
		err = ERR_SYSTEM;
	}
	if (!err && memcmp(device.private_key, zero, WG_KEY_SIZE) != 0)
		crypto_scalarmult_curve25519_base(device.public_key, device.private_key);
	if (!err)
		err = wg_device_seal(&device);
	if (err == ERR_INVALID)
		err = ERR_MALFORMED;
	if (err)
		wg_device_done(&device);
	else
		wg_device_move(&device, ret);
	return err;
}
