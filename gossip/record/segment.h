/*
 * An L2 segment is configuration by admins: the key-value `mesh/l2/NAME`, whose bytes are
 *   [vni, automatic, flood]
 * in MessagePack; what follows is of a later version of meshd, and passed over. So who may write
 * it, how it spreads, how of two writes one is shown and how it is deleted are those of every key
 * under `mesh/`.
 */
#ifndef MESHD_GOSSIP_RECORD_SEGMENT_H
#define MESHD_GOSSIP_RECORD_SEGMENT_H

#include "gossip/base/pack.h"
#include "gossip/base/types.h"

#define SEGMENT_KEY	 "mesh/l2/" /* and the name behind it */
#define SEGMENT_NAME_MAX 15	    /* characters: it is the bridge's name, linux/if.h IFNAMSIZ */
#define SEGMENT_KEY_MAX	 (sizeof(SEGMENT_KEY) - 1 + SEGMENT_NAME_MAX)
#define SEGMENT_VNI_MAX	 0xffffff /* RFC 7348: 24 bits; 0 is none */
#define SEGMENT_SIZE_MAX 16	  /* bytes of an encoded one */

struct segment {
	uint32_t vni;	/* 1 to SEGMENT_VNI_MAX */
	bool automatic; /* every member that can attaches itself */
	bool flood;	/* MACs are learnt from frames: none are announced */
};

/* Letters, digits, `.`, `_` and `-`, neither of the last two nor a dot first; and none that the
 * kernel or this program means something else by: `vx` and digits, `lo`, `all`, `default`. */
bool segment_name_is_valid(const char *name, size_t size);
/* The VNI of a segment that was not given one: by mesh and name, the same on every node. */
uint32_t segment_vni(const struct id *mesh, const char *name);
void segment_encode(const struct segment *segment, struct pack *out);
/* ERR_MALFORMED. */
int segment_decode(const void *bytes, size_t size, struct segment *ret) MUST_CHECK;

#endif
