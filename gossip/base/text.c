#include "gossip/base/text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS	(60 * INT64_C(1000))
#define HOUR_MS		(60 * MINUTE_MS)
#define DAY_MS		(24 * HOUR_MS)
#define DURATION_MAX_MS (36525 * DAY_MS)

const char *text_hex(const void *data, size_t size, char *buf)
{
	return sodium_bin2hex(buf, 2 * size + 1, data, size);
}

int text_parse_hex(const char *text, void *ret_data, size_t size)
{
	uint8_t out[128];
	size_t out_size;

	if (size > sizeof(out) || strlen(text) != 2 * size ||
		sodium_hex2bin(out, sizeof(out), text, 2 * size, NULL, &out_size, NULL) != 0 ||
		out_size != size)
		return ERR_MALFORMED;
	memcpy(ret_data, out, size);
	sodium_memzero(out, sizeof(out)); /* it may be a private key */
	return 0;
}

const char *text_key(const uint8_t key[32], char buf[TEXT_KEY_SIZE])
{
	return sodium_bin2base64(buf, TEXT_KEY_SIZE, key, 32, sodium_base64_VARIANT_ORIGINAL);
}

int text_parse_key(const char *text, uint8_t ret_key[32])
{
	uint8_t out[32];
	size_t out_size;

	/* libsodium's decoder takes some bytes beyond ASCII for letters */
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at > 0x7f)
			return ERR_MALFORMED;
	}
	if (strlen(text) != TEXT_KEY_SIZE - 1 ||
		sodium_base642bin(out, sizeof(out), text, TEXT_KEY_SIZE - 1, NULL, &out_size, NULL,
			sodium_base64_VARIANT_ORIGINAL) != 0 ||
		out_size != sizeof(out))
		return ERR_MALFORMED;
	memcpy(ret_key, out, sizeof(out));
	sodium_memzero(out, sizeof(out));
	return 0;
}

const char *text_ip(const struct ip *ip, char buf[TEXT_IP_SIZE])
{
	if (ip->family != 4 && ip->family != 6)
		return strcpy(buf, "none");
	return inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->b, buf, TEXT_IP_SIZE);
}

int text_parse_ip(const char *text, struct ip *ret)
{
	struct ip ip = {.family = strchr(text, ':') ? 6 : 4};

	if (inet_pton(ip.family == 4 ? AF_INET : AF_INET6, text, ip.b) != 1)
		return ERR_MALFORMED;
	*ret = ip;
	return 0;
}

const char *text_mac(const uint8_t mac[6], char buf[TEXT_MAC_SIZE])
{
	snprintf(buf, TEXT_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return buf;
}

const char *text_prefix(const struct prefix *prefix, char buf[TEXT_PREFIX_SIZE])
{
	char ip[TEXT_IP_SIZE];

	snprintf(buf, TEXT_PREFIX_SIZE, "%s/%u", text_ip(&prefix->ip, ip), prefix->bits);
	return buf;
}

/* Decimal digits only: no sign, no space, no leading zero but 0 itself. */
static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return ERR_MALFORMED;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || value > (max - (*text - '0')) / 10)
			return ERR_MALFORMED;
		value = value * 10 + (*text - '0');
	}
	*ret = value;
	return 0;
}

int text_parse_prefix(const char *text, bool host_bits, struct prefix *ret)
{
	char ip[TEXT_IP_SIZE];
	const char *slash = strchr(text, '/');
	size_t ip_size = slash ? (size_t)(slash - text) : strlen(text);
	struct prefix prefix;
	uint64_t bits;

	if (ip_size >= sizeof(ip))
		return ERR_MALFORMED;
	memcpy(ip, text, ip_size);
	ip[ip_size] = '\0';
	if (text_parse_ip(ip, &prefix.ip) != 0)
		return ERR_MALFORMED;
	bits = prefix.ip.family == 4 ? 32 : 128;
	if (slash && parse_number(slash + 1, bits, &bits) != 0)
		return ERR_MALFORMED;
	prefix.bits = (uint8_t)bits;
	for (unsigned i = prefix.bits; !host_bits && i < 128; i++) {
		if (prefix.ip.b[i / 8] & (0x80 >> i % 8))
			return ERR_INVALID;
	}
	*ret = prefix;
	return 0;
}

const char *text_endpoint(const struct endpoint *endpoint, char buf[TEXT_ENDPOINT_SIZE])
{
	char ip[TEXT_IP_SIZE];
	char scope[12] = "";

	if (endpoint->scope)
		snprintf(scope, sizeof(scope), "%%%" PRIu32, endpoint->scope);
	text_ip(&endpoint->ip, ip);
	snprintf(buf, TEXT_ENDPOINT_SIZE, endpoint->ip.family == 6 ? "[%s%s]:%u" : "%s%s:%u", ip,
		scope, endpoint->port);
	return buf;
}

int text_parse_endpoint(const char *text, struct endpoint *ret)
{
	char ip[TEXT_IP_SIZE];
	struct endpoint endpoint = {0};
	const char *colon = strrchr(text, ':');
	const char *end = colon;
	uint64_t port;

	if (!colon || parse_number(colon + 1, UINT16_MAX, &port) != 0 || port == 0)
		return ERR_MALFORMED;
	if (*text == '[') {
		text++;
		if (end == text || *--end != ']')
			return ERR_MALFORMED;
	}
	if (end < text || (size_t)(end - text) >= sizeof(ip))
		return ERR_MALFORMED;
	memcpy(ip, text, end - text);
	ip[end - text] = '\0';
	if (text_parse_ip(ip, &endpoint.ip) != 0 || (endpoint.ip.family == 6) != (*end == ']'))
		return ERR_MALFORMED;
	endpoint.port = (uint16_t)port;
	*ret = endpoint;
	return 0;
}

/* Days since 1970-01-01 to the civil date (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"): gmtime_r would drag the time zone's locks and files into the core. */
static void civil_date(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	unsigned day_of_era = (unsigned)(shifted - era * 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month_index = (5 * day_of_year + 2) / 153;

	*ret_day = day_of_year - (153 * month_index + 2) / 5 + 1;
	*ret_month = month_index < 10 ? month_index + 3 : month_index - 9;
	*ret_year = (int64_t)year_of_era + era * 400 + (*ret_month <= 2);
}

const char *text_time(wtime_t time, char buf[TEXT_TIME_SIZE])
{
	int64_t days = time.ms / DAY_MS - (time.ms % DAY_MS < 0);
	int64_t rest = time.ms - days * DAY_MS;
	int64_t year;
	unsigned month, day;

	civil_date(days, &year, &month, &day);
	snprintf(buf, TEXT_TIME_SIZE, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", (int)year % 10000,
		month, day, (unsigned)(rest / HOUR_MS), (unsigned)(rest / MINUTE_MS % 60),
		(unsigned)(rest / 1000 % 60), (unsigned)(rest % 1000));
	return buf;
}

static const struct {
	char name;
	int64_t ms;
} units[] = {{'d', DAY_MS}, {'h', HOUR_MS}, {'m', MINUTE_MS}, {'s', 1000}};

int text_parse_duration(const char *text, int64_t *ret_ms)
{
	char number[16];
	size_t size = strlen(text);
	uint64_t value;

	if (size < 2 || size > sizeof(number))
		return ERR_MALFORMED;
	memcpy(number, text, size - 1);
	number[size - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].name != text[size - 1])
			continue;
		if (parse_number(number, DURATION_MAX_MS / units[i].ms, &value) != 0)
			return ERR_MALFORMED;
		*ret_ms = (int64_t)value * units[i].ms;
		return 0;
	}
	return ERR_MALFORMED;
}

bool text_utf8_valid(const char *text, size_t size)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + size;

	while (at < end) {
		uint32_t code = *at;
		int more = code < 0x80	     ? 0
			   : code >> 5 == 6  ? 1
			   : code >> 4 == 14 ? 2
			   : code >> 3 == 30 ? 3
					     : -1;
		static const uint32_t least[] = {0x20, 0x80, 0x800, 0x10000};

		if (more < 0 || end - at <= more)
			return false;
		code &= more == 0 ? 0x7f : 0x3f >> more;
		for (int i = 1; i <= more; i++) {
			if (at[i] >> 6 != 2)
				return false;
			code = code << 6 | (at[i] & 0x3f);
		}
		if (code < least[more] || code == 0x7f || (code >= 0xd800 && code < 0xe000) ||
			code > 0x10ffff)
			return false;
		at += more + 1;
	}
	return true;
}
