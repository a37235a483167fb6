/*
 * What must be true at every moment of every run, whatever the network, the disks, the clocks and
 * the members do. The checker is told of every transition, as plain data, so that its own tests can
 * forge any; invariants_watch.c tells it what the cores of a cluster do.
 *
 * The first that breaks is kept, with the virtual time and the node; what comes after it follows
 * from it, mostly.
 */
#ifndef MESHD_TESTS_MESHSIM_INVARIANTS_H
#define MESHD_TESTS_MESHSIM_INVARIANTS_H

#include "gossip/gossip.h"

#define INVARIANTS_NODES_MAX 64 /* observers and subjects: a bit of a word for each */

/* Of a node that is cut off from nothing, in a mesh of 9 with a flood going on; measured peaks are
 * a third of that. What it was sent counts beside it: most of what a node says is an answer. */
#define INVARIANTS_WINDOW_MS 10000
#define INVARIANTS_RATE_BYTES \
	400000 /* of datagrams in a window, beyond what came and the copies of news */
/* To an address that a member said, or seems to have, and that is not proven: a probe each period
 * and each round of news, of at most 300 bytes. */
#define INVARIANTS_UNPROVEN_BYTES 15000

#define INVARIANT_LIST(X)                                                                         \
	X(INCARNATION_FORWARD, "what a node knows of another's incarnation never goes back")      \
	X(INCARNATION_ISSUED, "nobody is known by an incarnation that it never issued")           \
	X(TABLE, "states change as the table says: dead only from suspect, suspect only from "    \
		 "alive")                                                                         \
	X(REVIVAL, "against a standing accusation only a later incarnation brings back to life")  \
	X(SELF_ALIVE, "a running node never sees itself dead")                                    \
	X(END, "who left or was revoked is never anything else again")                            \
	X(STAMP_ONCE, "of one author and stamp there is one record")                              \
	X(STAMP_BOUNDED, "no member's record comes from more than a minute ahead")                \
	X(PERSISTED_FIRST, "no record is anywhere before it is on its author's disk")             \
	X(SURVIVES, "an acknowledged write is in every store in the end")                         \
	X(DELETED, "what was replaced does not come back")                                        \
	X(REVOCATION_KEPT, "a revocation is never lost")                                          \
	X(REVOKED_SILENT, "nothing by the revoked is taken once it is known")                     \
	X(DATAGRAM_FITS, "no datagram is larger than 1,200 bytes")                                \
	X(KNOWN_ADDRESS, "nothing goes where nobody said that somebody is")                       \
	X(NO_AMPLIFICATION, "an unproven address gets no more bytes in answer than it sent")      \
	X(UNPROVEN_RATE, "what goes to an unproven address unasked is little")                    \
	X(RATE, "a node's bytes a second are bounded")                                            \
	X(BOUNDED, "tables and queues stay within their limits")                                  \
	X(VALUE_FORWARD, "what a key shows never gives way to what is older, a deletion neither") \
	X(VALUE_LATEST, "a key shows the latest that anybody who counts has said of it")          \
	X(VALUES_FOLLOWED, "who reads on from its cursor sees all that is shown")                 \
	X(VALUES_AGREE, "after the calm every key shows the same on all nodes")                   \
	X(AGREE, "after the calm all nodes have the same records and views")                      \
	X(CONVERGES, "after the faults the mesh is whole again within the time stated")           \
	X(SAME_TRACE, "the same seed gives the same run, bit for bit")

enum invariant {
#define X(name, text) INVARIANT_##name,
	INVARIANT_LIST(X)
#undef X
		INVARIANTS,
};
const char *invariant_text(enum invariant invariant);

struct invariants;

struct invariants *invariants_new(void);
void invariants_free(struct invariants *checker);

/* How many checks were made, and how many failed. */
uint64_t invariants_checked(const struct invariants *checker);
uint64_t invariants_broken(const struct invariants *checker);
/* The first that broke. false: none did. */
#define INVARIANTS_DETAIL_MAX 1024
struct invariant_break {
	enum invariant invariant;
	int64_t at_ms;
	int node;
	char detail[INVARIANTS_DETAIL_MAX];
};
bool invariants_first(const struct invariants *checker, struct invariant_break *ret);

/* The virtual time of all that is told next. */
void invariants_now(struct invariants *checker, int64_t at_ms);
/* For a condition that only the caller can look at. */
void invariants_check(struct invariants *checker, enum invariant invariant, bool holds, int node,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- lives ---- */

/* A core starts: what it knew of others' lives is gone. */
void invariants_started(struct invariants *checker, int node);
/* Its disk was lost or set back: what it holds now is told anew, and may be older. */
void invariants_disk_lost(struct invariants *checker, int node);
/* Its key lives twice or in bad hands, from now on: it may sign anything. */
void invariants_dishonest(struct invariants *checker, int node);

/* ---- members, as a node sees them ---- */

/* Subject issued it: the latest of all its lives is kept. */
void invariants_issued(struct invariants *checker, int subject, struct swim_incarnation issued);

struct invariants_member {
	enum gossip_member_state state;
	struct swim_incarnation incarnation; /* generation 0: none is known */
	/* when it was last told of: a signed accusation stood, of somebody who is a member still */
	bool was_accused;
};
/* What the node sees after an input; node == subject: itself. */
void invariants_member(
	struct invariants *checker, int node, int subject, const struct invariants_member *now);
/* It is no member any more, and nothing final: its admission is void for now, or its revocation was
 * voided with the admin who signed it. What was known of it is gone. */
void invariants_forgotten(struct invariants *checker, int node, int subject);
/* Each change on the way there, as told to people. */
void invariants_changed(struct invariants *checker, int node, int subject, enum swim_state from,
	enum swim_state to);

/* ---- records ---- */

struct invariants_record {
	struct hash hash, slot; /* slot: of author, type and key */
	int author;		/* a node; -1: one that is none */
	uint16_t type;
	uint64_t stamp;
};
/* It is on the node's disk, from whatever source. mesh_ms is the node's mesh time. */
void invariants_kept(struct invariants *checker, int node, const struct invariants_record *record,
	int64_t mesh_ms);
/* It is there at a start, and was before. */
void invariants_on_disk(
	struct invariants *checker, int node, const struct invariants_record *record);
/* NULL: nobody has had it. */
const struct invariants_record *invariants_find(
	const struct invariants *checker, const struct hash *hash);
/* counts: its author's word does; what is said by the revoked and the expelled goes. */
void invariants_removed(struct invariants *checker, int node, const struct hash *hash, bool counts);
/* The same of what is far ahead of the right time: its author takes it back, and has said it anew,
 * with an earlier stamp. */
void invariants_taken_back(struct invariants *checker, int node, const struct hash *hash);
/* Its author's disk has said that it is there. */
void invariants_written(struct invariants *checker, const struct hash *hash);
/* The node knows, from here on, that the subject is revoked. */
void invariants_revoked(struct invariants *checker, int node, int subject);

/* ---- values ---- */

#define INVARIANTS_KEYS 8 /* `k0` and so on: others are not looked at */

/* What stands in a key's place, and how late it is said. */
struct invariants_value {
	bool known; /* false: nothing, all of it zero */
	bool deleted;
	uint64_t stamp;
	struct id author;
};
/* What the key shows there after an input. before_counts: what it showed before is there still, and
 * its author's word counts; else anything may follow. */
void invariants_shown(struct invariants *checker, int node, int key,
	const struct invariants_value *now, bool before_counts);
/* A record of the key is there and counts: what is shown is that, or later. */
void invariants_said(
	struct invariants *checker, int node, int key, const struct invariants_value *said);
/* What somebody knows of the key who reads what changes, and has read all of it. */
void invariants_followed(
	struct invariants *checker, int node, int key, const struct invariants_value *read);

/* ---- datagrams ---- */

/* What comes to a node; bytes to the same address until the next are its answer. */
void invariants_came(
	struct invariants *checker, int node, const struct endpoint *from, size_t size);
/* A record that was new to the node: it is passed on to as many as get news at once. */
void invariants_news(struct invariants *checker, int node, size_t size);
/* The input that is worked on now is none. */
void invariants_came_nothing(struct invariants *checker, int node);
struct invariants_sent {
	struct endpoint to;
	size_t size;
	bool proven;	/* a member's present address */
	bool candidate; /* an address that a member said, or that its packets come from */
};
void invariants_sent(struct invariants *checker, int node, const struct invariants_sent *sent);

/* ---- sizes ---- */

void invariants_size(
	struct invariants *checker, int node, const char *what, size_t value, size_t limit);

/* ---- the end ---- */

struct invariants_end {
	int node;
	uint8_t records[32], view[32]; /* hashes over all that it holds, and sees */
	struct invariants_value values[INVARIANTS_KEYS];
};
/* What the nodes that run in the end hold: all that was written and could survive. */
void invariants_calm(struct invariants *checker, const struct invariants_end *ends, size_t count);
void invariants_traces(struct invariants *checker, const uint8_t a[16], const uint8_t b[16]);

#endif
