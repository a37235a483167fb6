/*
 * The insides of the facade, shared by gossip*.c only. Each file is one idea:
 *
 *   gossip.c          life: new, restore, start, tick, deadline; the end of every turn
 *   gossip_record.c   records: into the store, and our own by way of the disk
 *   gossip_effect.c   the queue of what is to be done outside
 *   gossip_peer.c     the other nodes: pair keys, sessions, addresses
 *   gossip_packet.c   datagrams: taken apart, packed, pushed
 *   gossip_stream.c   streams: their life, their frames, syncs over them
 *   gossip_join.c     the joiner's side of a join
 *   gossip_admit.c    the member's side of it
 *   gossip_view.c     from records to members, names and addresses
 *   gossip_sync.c     when it is looked for what stores differ in; and that over streams
 *   gossip_round.c    the same by datagrams
 *   gossip_fetch.c    what is too large for a datagram: announced, and asked for
 *   gossip_value.c    key-values: put, deleted, shown
 *   gossip_age.c      how old that is: collection, and the reset of who was away
 *   gossip_ahead.c    what was said when a clock was ahead
 *   gossip_check.c    whether a member that answers no datagram answers a stream
 *   gossip_contact.c  whom to dial
 *   gossip_hint.c     where somebody of this mesh may be, by hearsay
 *   gossip_command.c  what an operator says
 *   gossip_leave.c    this node's own end: said, and told
 *   gossip_revoke.c   what takes membership away
 *   gossip_own.c      whether another machine bears this node's identity
 *   gossip_rotate.c   another WireGuard key
 *   gossip_grant.c    offices: admins and writers
 *   gossip_purge.c    what is left of admins that the root took out
 *   gossip_void.c     whoever's membership has ended is told by what
 *   gossip_keep.c     what admins' nodes do by themselves: keeps and closings
 *   gossip_lease.c    memberships that end by themselves
 *   gossip_proof.c    two bodies with one stamp: found out, and told
 *   gossip_address.c  who has which IPv4 address
 *   gossip_version.c  members that may not understand this one
 *   gossip_status.c   what an operator sees
 *   gossip_segment.c  L2 segments: which there are
 *   gossip_attach.c   who is attached to them
 *   gossip_mac.c      the hosts on this node's side of them: told to the others
 *   gossip_mac_table.c  the hosts on every side: who has a MAC
 *
 * Inputs set bits and change state; gossip_turn(), at the end of each input, does the work they ask
 * for.
 */
#ifndef MESHD_GOSSIP_GOSSIP_INTERNAL_H
#define MESHD_GOSSIP_GOSSIP_INTERNAL_H

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/gossip.h"
#include "gossip/gossip_age.h"
#include "gossip/gossip_ahead.h"
#include "gossip/gossip_attach.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_hint.h"
#include "gossip/gossip_join.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_proof.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_round.h"
#include "gossip/gossip_segment.h"
#include "gossip/gossip_view.h"
#include "gossip/record/hlc.h"
#include "gossip/wire/msg.h"

struct gossip {
	/* fixed */
	struct gossip_config config;
	struct rng rng;
	uint64_t session;
	uint8_t challenge_key[16];
	/* now: set at the start of every input */
	struct gossip_time time;
	mtime_t began; /* this start */
	enum gossip_state state;
	bool started;
	struct id mesh;
	/* records */
	struct hlc hlc;
	struct hlc above;	 /* own words of authority that are ahead: gossip_record_publish */
	struct store *store;	 /* NULL while unjoined */
	struct record *storing;	 /* on its way into the store and on disk already: not to be
				    persisted again */
	uint64_t storing_number; /* the change that it is to be; 0: no VALUE */
	struct own_record *own_first, **own_last;
	struct kv *kv;	      /* NULL while unjoined */
	bool signs_elsewhere; /* values are signed by the caller */
	bool values_changed;  /* in this input */
	bool voids_changed;   /* another author is proven to have equivocated, or one no more */
	struct restored_value *restored_values; /* until the start */
	size_t restored_count, restored_capacity;
	struct age age;
	struct ahead ahead;
	uint64_t numbers[GOSSIP_NUMBERS]; /* on disk, or on their way there; 0: none */
	struct authority *authority;
	struct record **authority_records; /* what it was computed from */
	size_t authority_count;
	uint64_t authority_version;
	mtime_t view_next;
	mtime_t store_changed;
	struct id agreed_with; /* who last told the same digest since then, if anybody did */
	bool agreed;
	bool authority_applied; /* what follows from it was done */
	bool view_dirty;
	bool claims_dirty; /* of addresses: some living claim is another one */
	/* members */
	bool key_anybody;	/* members have their keys: the others' turn */
	struct map peers, tags; /* by id; by receive tag */
	size_t unkeyed;
	size_t key_next; /* the slot of peers where the next search for them begins */
	struct swim *swim;
	struct spread *spread;
	mtime_t push_next;
	mtime_t last_heard; /* anybody */
	mtime_t unreadable_next;
	mtime_t isolated_next, dead_next;
	int64_t isolated_gap_ms;
	struct hint hints[GOSSIP_HINTS_MAX];
	size_t hint_count;
	mtime_t hint_rate;
	size_t isolated_at;	 /* the slot of peers from where the next are dialled */
	unsigned isolated_tries; /* with that gap */
	/* own */
	struct endpoint endpoints[DESCRIPTOR_ENDPOINTS_MAX];
	size_t endpoint_count;
	struct seen seen[SEEN_MAX];
	size_t seen_next;
	struct own own;
	bool endpoints_known; /* until then a descriptor would take back where this node is */
	bool descriptor_dirty;
	bool hello_due; /* it is a member, and few know its session yet */
	bool has_next_key;
	bool key_untold; /* the last descriptor on its way to the disk has another key */
	mtime_t descriptor_next;
	uint32_t claim;
	struct ip address4;
	/* the last address that was lost to another member; family 0: none was */
	struct {
		struct ip ip;
		struct id holder;
		wtime_t at;
	} lost;
	/* its WireGuard key: as described; what WireGuard has, which follows once that is on disk
	 */
	struct own_key key, next_key;
	uint8_t wireguard_public[32];
	mtime_t holds_next; /* somebody is to be told that its key is installed here */
	/* L2 segments: see gossip_segment.c */
	struct segment_row *segments; /* sorted by name */
	size_t segment_count;
	bool segments_dirty;		   /* configuration has changed */
	bool segments_changed;		   /* in this input: there is something to look at */
	bool segments_told, segments_able; /* whether it can have any was said; and the answer */
	struct attachment attachments[DESCRIPTOR_SEGMENTS_MAX];
	size_t attachment_count;
	struct own_segment own_segments[DESCRIPTOR_SEGMENTS_MAX]; /* sorted by VNI */
	size_t own_segment_count;
	mtime_t attach_rate, gone_next;
	struct macs *macs; /* NULL while unjoined: see gossip_mac_internal.h */
	/* streams */
	struct stream *streams;
	size_t stream_count;
	uint64_t stream_next;
	mtime_t sync_next, sync_check; /* the latter: NEVER while no difference is known */
	struct round round;
	mtime_t reconciled; /* of the rate at which ranges of all members are answered */
	struct wanted wanted[WANTED_MAX];
	size_t wanted_count;
	mtime_t wanted_next;
	struct join join;
	/* of the admissions that this node has signed since its start, whatever became of them */
	uint64_t offered[JOIN_OFFERS_MAX];
	size_t offered_count;
	mtime_t leave_until, leave_next;
	/* what this node does as an admin's: when it looks whom to keep (NEVER: nobody is waiting),
	 * and for invites to close; the rate of its keeps */
	mtime_t keep_next, close_next, keep_rate;
	/* leases: the hour of mesh time as of which the views are, -1: as of none; the next look */
	int64_t lease_hour;
	mtime_t lease_next;
	struct suspicion_of_two found[PROOFS_FOUND_MAX]; /* and not proven to all yet */
	size_t found_count;
	struct map purged; /* of expelled admins: see gossip_purge.c */
	struct reply reply;
	/* out */
	struct effect_node *effect_first, **effect_last;
	struct effect_node *taken; /* the one whose bytes the caller holds */
	uint64_t ticket, persisted;
	uint64_t awaited; /* gossip_awaited() */
	char error[512];
	char revoked_why[AUTHORITY_REASON_MAX + 64];
	uint64_t counters[GOSSIP_COUNTERS];
};

void gossip_turn(struct gossip *g);
int gossip_fail(struct gossip *g, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void gossip_set_state(struct gossip *g, enum gossip_state state);
wtime_t gossip_mesh_time(const struct gossip *g);
/* Whether it is more than this host's clock, for which nobody vouches. */
bool gossip_mesh_time_known(const struct gossip *g);
/* How many others' clocks are known, and how far they are from this one: their median. */
size_t gossip_clocks(const struct gossip *g, int64_t *ret_ms);
/* The same. false: not enough are known for it to count. */
bool gossip_clock_offset(const struct gossip *g, int64_t *ret_ms);
/* Opens and closes what belongs to a mesh: store, members, keys. */
int gossip_open_mesh(struct gossip *g, const struct id *mesh) MUST_CHECK;
void gossip_close_mesh(struct gossip *g);

#endif
