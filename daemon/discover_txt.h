/*
 * What a node says of itself on the LAN, in the TXT record of its mDNS service (RFC 6763, section
 * 6): nothing that names it or its mesh.
 *
 *   v=1   s=<32 hex: a salt, random for each start>   m=<32 hex: a hash of the salt and the mesh
 * id>
 *
 * Who knows the mesh id sees whether it is the same; for others the tag is noise, and another one
 * on each node and at each start. A node that belongs to no mesh has no `m`. What an unknown key
 * says is passed over.
 */
#ifndef MESHD_DAEMON_DISCOVER_TXT_H
#define MESHD_DAEMON_DISCOVER_TXT_H

#include <stddef.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define DISCOVER_SALT_SIZE 16
#define DISCOVER_TAG_SIZE  16
#define DISCOVER_TXT_MAX   400 /* bytes: longer ones do not get through every avahi, silently */

struct discover_txt {
	uint8_t salt[DISCOVER_SALT_SIZE];
	bool has_tag; /* belongs to a mesh */
	uint8_t tag[DISCOVER_TAG_SIZE];
};

void discover_txt_tag(const uint8_t salt[DISCOVER_SALT_SIZE], const struct id *mesh,
	uint8_t ret[DISCOVER_TAG_SIZE]);
bool discover_txt_is_of(const struct discover_txt *txt, const struct id *mesh);

/* The record's data: strings, each behind its length (RFC 1035, 3.3.14). Returns the size. */
size_t discover_txt_encode(const struct discover_txt *txt, uint8_t ret[DISCOVER_TXT_MAX]);
/* ERR_TOO_BIG, ERR_VERSION: of another version; ERR_MALFORMED. */
int discover_txt_decode(const uint8_t *data, size_t size, struct discover_txt *ret) MUST_CHECK;

#endif
