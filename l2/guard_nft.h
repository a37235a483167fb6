/*
 * The guard in the kernel, by libnftables, which has no shell and no program in between. Every call
 * here blocks, for seconds with many elements: never on the loop's thread, and one at a time.
 */
#ifndef MESHD_L2_GUARD_NFT_H
#define MESHD_L2_GUARD_NFT_H

#include "l2/guard.h"

#define GUARD_ERROR_SIZE 256

/* Packets dropped, since the table was last written as a whole. */
struct guard_counters {
	uint64_t stray, unattached, truncated, spoofed;
};

struct guard_nft {
	struct guard_want have;	      /* as last written; no VNIs: no table */
	char *listing;		      /* of the table, as it was right after; NULL: not known */
	uint32_t generation;	      /* of all tables, as they were then; 0: not known */
	char error[GUARD_ERROR_SIZE]; /* of the last call that failed, for people */
};

/* Makes it so. What an earlier run left in a table of ours is replaced, without a moment in
 * between. ERR_STATE: a table of that name is not ours; ERR_INVALID, ERR_NOMEM, ERR_SYSTEM. Then
 * have is as it was. */
int guard_nft_apply(struct guard_nft *nft, const struct guard_want *want) MUST_CHECK;
/* Whether it still is as it was left; if not, the next apply writes all of it. ERR_NOMEM. */
int guard_nft_look(
	struct guard_nft *nft, bool *ret_same, struct guard_counters *ret_counters) MUST_CHECK;
/* Takes the interface's table away; one that is not ours stays, and that is ERR_STATE. Done where
 * there is none. */
int guard_nft_remove(const char *interface, char ret_error[GUARD_ERROR_SIZE]) MUST_CHECK;
void guard_nft_done(struct guard_nft *nft); /* the table stays */

#endif
