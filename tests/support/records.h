/*
 * Records made to order, for tests. Everybody is a number: node 7, invite 107 and the root each are
 * the key pair of a seed made of that number, so that the same calls give the same bytes. Records
 * are returned with one reference; whatever cannot be made is a failed assertion.
 */
#ifndef MESHD_TESTS_SUPPORT_RECORDS_H
#define MESHD_TESTS_SUPPORT_RECORDS_H

#include "gossip/record/descriptor.h"
#include "gossip/record/macs.h"
#include "gossip/trust/authority.h"

#define RECORDS_ROOT	  1000000
#define RECORDS_WIREGUARD 500000 /* from a node's number to that of its WireGuard key */
#define RECORDS_OTHER	  ((enum record_type)77) /* a type that this version does not know */
#define RECORDS_START_MS  INT64_C(1700000000000)

void records_keys(unsigned number, struct keys *ret);
struct id records_id(unsigned number);
/* The id of the mesh whose root is RECORDS_ROOT. */
const struct id *records_mesh(void);
/* A stamp so many seconds after RECORDS_START_MS. */
uint64_t records_at(unsigned seconds);

/* Any record; key may be NULL with size 0. */
struct record *records_make(unsigned author, enum record_type type, uint64_t stamp, const void *key,
	size_t key_size, const void *value, size_t value_size);

/* Named "test", with the mesh's default prefixes. */
struct record *records_charter(uint64_t stamp);
struct record *records_grant(unsigned node, uint64_t stamp);
/* terms may be NULL, and its id is the number's; no uses means one, no expiry an hour. */
struct record *records_invite(
	unsigned author, unsigned invite, uint64_t stamp, const struct invite *terms);
/* name NULL: "node-7" for node 7. invite is the number of invite_record's key. */
struct record *records_admission(unsigned node, const char *name, unsigned invite,
	const struct record *invite_record, unsigned witness, uint64_t stamp);
/* The same by an invite of its own, for one use, that admin signed just before. */
struct record *records_member(
	unsigned admin, unsigned node, unsigned invite, unsigned witness, uint64_t stamp);
/* A REVOCATION, ADMIN_REVOCATION or CLOSING as terms say, but for keep, which is sorted here. */
struct record *records_revocation(unsigned author, enum record_type type, uint64_t stamp,
	const struct revocation *terms, const void *keep, size_t keep_count);
/* Revokes a node and closes nothing. */
struct record *records_revoke(unsigned author, unsigned node, uint64_t stamp);
struct record *records_keep(unsigned author, unsigned node, uint64_t stamp);
struct record *records_keep_by_hand(unsigned author, unsigned node, uint64_t stamp);
struct record *records_writer(unsigned author, unsigned node, bool granted, uint64_t stamp);
/* That both records, of one author and stamp, were signed. */
struct record *records_proof(
	unsigned finder, const struct record *a, const struct record *b, uint64_t stamp);
struct record *records_leave(unsigned node, uint64_t stamp);
/* terms may be NULL; the WireGuard key is that of node + RECORDS_WIREGUARD, with its proof. */
struct record *records_descriptor(unsigned node, uint64_t stamp, const struct descriptor *terms);
/* value NULL: a tombstone. */
/* The same, of an ephemeral member that asks to be one until then. */
struct record *records_lease(unsigned node, uint64_t stamp, int64_t expiry_ms);
struct record *records_value(unsigned author, const char *key, const char *value, uint64_t stamp);
/* A bucket; entries are sorted, and of it. */
struct record *records_macs(unsigned author, uint32_t vni, uint8_t bucket,
	const struct macs_entry *entries, size_t count, uint64_t stamp);
/* The next MAC behind that one that is of the bucket; from zero on. */
void records_next_mac(uint8_t bucket, uint8_t mac[6]);

/* authority_compute of the mesh's; a node's descriptor is the one that has the slot. */
int records_compute(const struct record *const *records, size_t count, int64_t now_ms,
	struct authority **ret) MUST_CHECK;

/* A set of records that owns them. */
#define RECORDS_SET_MAX 4096
struct records_set {
	struct record *records[RECORDS_SET_MAX];
	size_t count;
};
/* Takes the reference over; returns the record. */
struct record *records_add(struct records_set *set, struct record *record);
void records_set_done(struct records_set *set);

#endif
