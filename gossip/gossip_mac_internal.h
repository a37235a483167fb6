/*
 * What gossip_mac*.c share: of each segment in force that does not learn from frames, who says what
 * of it (announcers, their claims), and for each MAC a row: who has it, and what is to be done
 * about it here. Whatever changes puts a row on its segment's list for review, and all that follows
 * is done once, at the end of the input.
 */
#ifndef MESHD_GOSSIP_GOSSIP_MAC_INTERNAL_H
#define MESHD_GOSSIP_GOSSIP_MAC_INTERNAL_H

#include "gossip/gossip_internal.h"

/* RFC 7432, section 15.1: a MAC that moves MOVES_MAX times within MOVES_MS is a duplicate. Whoever
 * would move it next does not, and says so, for FREEZE_MS; then it is looked at afresh. */
#define MOVES_MAX 5
#define MOVES_MS  180000
#define FREEZE_MS 180000

/* One entry of an announcer's bucket. */
struct mac_claim {
	struct mac_claim *bucket_next, *row_next;
	struct announcer *by;
	struct mac_row *row;
	uint32_t sequence;
	bool frozen;
	uint8_t ip_count;
	struct ip ips[];
};

/* A member that is attached, this node too. */
struct announcer {
	struct announcer *next;
	struct id id;
	bool self;
	bool counts;	/* not gone; of this node: nobody has told its hosts since the start */
	bool there;	/* in a review of members: it is attached still */
	bool over;	/* has more than MACS_SEGMENT_MAX in all */
	uint32_t dirty; /* buckets that are to be read again, a bit each */
	uint8_t said[MACS_BUCKETS]; /* entries of the records */
	struct mac_claim *claims[MACS_BUCKETS];
};

enum host_state {
	HOST_UNSAID,  /* nothing is announced: there is no room */
	HOST_CLAIMED, /* announced: it is here */
	HOST_YIELDED, /* another member has it, and was later */
	HOST_FROZEN,  /* announced as a duplicate: it stays where it is */
};

/* A host on this node's side. */
struct mac_host {
	enum host_state state;
	bool present; /* in the last set; else it is only kept frozen */
	bool was_present;
	bool own;	   /* an interface of this node */
	bool heard;	   /* learnt anew since it is frozen */
	uint32_t sequence; /* announced */
	uint64_t above;	   /* the least that a claim of ours would have */
	mtime_t frozen_until;
	uint8_t ip_count;
	struct ip ips[MACS_IPS_MAX];
};

struct mac_row {
	uint8_t mac[6];
	bool reviewed; /* it is on the list */
	struct mac_row *review_next;
	struct mac_claim *claims;
	struct mac_host *host; /* NULL: it is not on this side */
	/* who has it */
	bool held, frozen;
	struct id holder;
	uint32_t sequence;
	const struct mac_claim *by; /* NULL: this node, by its host */
	wtime_t since;
	mtime_t window; /* of the moves that are counted */
	unsigned moves;
};

struct own_bucket {
	bool dirty;
	bool published; /* since this node is attached */
	uint8_t announced;
	mtime_t rate;
};

struct mac_segment {
	struct mac_segment *next;
	uint32_t vni;
	char name[SEGMENT_NAME_MAX + 1];
	bool attached;	 /* this node */
	bool told;	 /* and its hosts were told since */
	bool there;	 /* in a review of segments: it is in force still */
	struct map rows; /* by MAC */
	struct mac_row *review;
	struct announcer *announcers;
	uint64_t version;
	size_t held, announced, unsaid, frozen; /* rows; of hosts here */
	struct own_bucket buckets[MACS_BUCKETS];
};

struct macs {
	struct mac_segment *segments;
	uint64_t version;	   /* the last that a table has had */
	bool members_dirty, dirty; /* something is to be done at the end of the input */
	bool unpublished;	   /* a bucket of ours is another one than was said */
	mtime_t publish_next;	   /* then */
	mtime_t rate;		   /* of own records */
	mtime_t told;		   /* of events */
	mtime_t next;		   /* what is frozen is looked at */
};

/* gossip_mac.c */
struct mac_segment *gossip_mac_segment(const struct gossip *g, uint32_t vni); /* NULL: none */
/* Members' claims on the MAC have changed: what this node does about its host. */
void gossip_mac_react(struct gossip *g, struct mac_segment *segment, struct mac_row *row);
/* A bucket of ours that did not come from here: from before the disk was set back. */
void gossip_mac_own_met(struct gossip *g, struct mac_segment *segment, uint8_t bucket);
void gossip_mac_forget_hosts(struct gossip *g, struct mac_segment *segment);

/* gossip_mac_table.c */
void gossip_mac_touch(struct gossip *g, struct mac_segment *segment, struct mac_row *row);
/* NULL: no memory. */
struct mac_row *gossip_mac_row(struct gossip *g, struct mac_segment *segment, const uint8_t mac[6]);
/* The best claim of another member that is not gone; NULL: none. */
const struct mac_claim *gossip_mac_other(const struct mac_row *row);
void gossip_mac_read(struct gossip *g);	  /* what is dirty */
void gossip_mac_review(struct gossip *g); /* the rows that are to be */

#endif
