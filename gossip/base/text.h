/*
 * Values to text and back, in the forms people type: hex, base64, addresses, prefixes, endpoints,
 * durations. Parsers take the whole string, refuse anything else (ERR_MALFORMED) and leave the
 * output untouched then. Formatters return their buffer.
 */
#ifndef MESHD_GOSSIP_BASE_TEXT_H
#define MESHD_GOSSIP_BASE_TEXT_H

#include <stddef.h>

#include "gossip/base/err.h"
#include "gossip/base/mtime.h"
#include "gossip/base/types.h"

#define TEXT_ID_SIZE	   65 /* 64 hex and NUL */
#define TEXT_KEY_SIZE	   45 /* base64 of 32 bytes with padding, as wg prints keys, and NUL */
#define TEXT_IP_SIZE	   46 /* INET6_ADDRSTRLEN */
#define TEXT_PREFIX_SIZE   50 /* address, slash, three digits */
#define TEXT_ENDPOINT_SIZE 72 /* [address%scope]:port */
#define TEXT_TIME_SIZE	   32 /* RFC 3339 with milliseconds or microseconds */

const char *text_hex(const void *data, size_t size, char *buf); /* buf holds 2 * size + 1 */
int text_parse_hex(const char *text, void *ret_data, size_t size) MUST_CHECK;
static inline const char *text_id(const struct id *id, char buf[TEXT_ID_SIZE])
{
	return text_hex(id, sizeof(*id), buf);
}

const char *text_key(const uint8_t key[32], char buf[TEXT_KEY_SIZE]);
int text_parse_key(const char *text, uint8_t ret_key[32]) MUST_CHECK;

const char *text_ip(const struct ip *ip, char buf[TEXT_IP_SIZE]);
int text_parse_ip(const char *text, struct ip *ret) MUST_CHECK;
#define TEXT_MAC_SIZE 18 /* six bytes in hex, colons between them, and NUL */
const char *text_mac(const uint8_t mac[6], char buf[TEXT_MAC_SIZE]);
const char *text_prefix(const struct prefix *prefix, char buf[TEXT_PREFIX_SIZE]);
/* Host bits beyond the mask are ERR_INVALID unless host_bits; an address alone is a /32 or /128. */
int text_parse_prefix(const char *text, bool host_bits, struct prefix *ret) MUST_CHECK;
const char *text_endpoint(const struct endpoint *endpoint, char buf[TEXT_ENDPOINT_SIZE]);
/* `192.0.2.1:8946`, `[2001:db8::1]:8946`; numeric only: names are resolved by whoever may block. */
int text_parse_endpoint(const char *text, struct endpoint *ret) MUST_CHECK;

/* RFC 3339 in UTC with milliseconds. */
const char *text_time(wtime_t time, char buf[TEXT_TIME_SIZE]);
/* `90s 15m 1h 7d`: one number and one unit; at most 100 years. */
int text_parse_duration(const char *text, int64_t *ret_ms) MUST_CHECK;

/* Well-formed UTF-8 without NUL and control characters (RFC 3629). */
bool text_utf8_valid(const char *text, size_t size);

#endif
