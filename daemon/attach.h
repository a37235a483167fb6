/*
 * What this node alone knows of the segments that it is attached to: the addresses on the bridge
 * and the ports on it. That it is attached at all is told to the mesh (gossip.h); this never leaves
 * the node, and is kept in state.db.
 *
 * What stands here is what the operator asked for: a segment that this node should be attached to,
 * and by its own records is not (they were lost with a damaged disk), is attached again. It goes
 * when the operator detaches, and when the segment is deleted.
 */
#ifndef MESHD_DAEMON_ATTACH_H
#define MESHD_DAEMON_ATTACH_H

#include "daemon/daemon.h"
#include "daemon/state.h"
#include "wg/net_link.h"

#define ATTACH_ADDRESSES_MAX 16 /* on a bridge; as many as a request's list has texts */
#define ATTACH_PORTS_MAX     16

/* Plain data. Addresses are whole, with the length of their network. */
struct attach {
	char segment[STATE_SEGMENT_SIZE];
	size_t address_count;
	struct prefix addresses[ATTACH_ADDRESSES_MAX];
	size_t port_count;
	char ports[ATTACH_PORTS_MAX][NET_NAME_SIZE];
};

struct attachments;

extern const struct daemon_part attach_part;

/* Its lists of words, as they are kept. */
void attach_words(const struct attach *attach, char ret_addresses[STATE_WORDS_SIZE],
	char ret_ports[STATE_WORDS_SIZE]);
/* One that is on disk already: of a node that is being restored. */
void attach_take(
	struct daemon *daemon, const char *segment, const char *addresses, const char *ports);
/* Before the storage thread runs: reads what is kept. ERR_NOMEM; else what is wrong is logged. */
int attach_load(struct daemon *daemon) MUST_CHECK;

/* NULL: there is none. Good until the next change. */
const struct attach *attach_find(const struct daemon *daemon, const char *segment);
const struct attach *attach_at(const struct daemon *daemon, size_t index);

/* In the place of what there was for the segment. On disk with the ticket. ERR_NOMEM, ERR_LIMIT. */
int attach_put(struct daemon *daemon, const struct attach *attach, uint64_t *ret_ticket) MUST_CHECK;
/* None there: fine. */
int attach_remove(struct daemon *daemon, const char *segment, uint64_t *ret_ticket) MUST_CHECK;

#endif
