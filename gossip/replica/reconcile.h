/*
 * Two stores find what each lacks: range-based set reconciliation (A. Meyer, "Range-Based Set
 * Reconciliation", 2022) over the order of replica/order.h, in which authority comes first and
 * revocations before that.
 *
 * Neither side keeps any state: a message says all that its answer needs, and is answered from the
 * store as it is then. So a lost message costs what it was about and no more, whatever was found
 * out before it broke off is done, and answers may come in any order, twice, or never.
 *
 * A message is a list of ranges (replica/range.h), of each of which it gives the fingerprint of
 * what the sender has there, or a list of it, or what of it the sender wants.
 *
 * An equal fingerprint needs no answer. A different one is answered by LISTs where those of all
 * that differ fit a message, else by ranges of about sqrt(n / 2) (2 to 16) parts of the n records
 * that the answerer has there, each by its fingerprint, and small ones by their LIST. To a LIST
 * come the records that its sender lacks, and a WANT; to that, records.
 *
 * Why it can be trusted. A fingerprint is keyed BLAKE2b (RFC 7693) over the hashes of the range's
 * records in order, an id is SipHash-2-4 of one hash, both under the message's key: 16 fresh random
 * bytes of whoever began, carried inside the seal. (Sums of ids, which could be kept up to date
 * instead of computed, fall to generalised birthdays in about 2^31 steps, by anybody who can make
 * records.) Who makes records does not know under which keys others will compare them, so its
 * chance that two ranges look equal is 2^-48, and that one record looks like another of a list of n
 * n * 2^-40, whatever it makes: and then for this time only, since the digest still differs, and
 * the next key is another. So they are short. A member that takes part itself can hold back what it
 * has without any of that, but only from those who hear nobody else.
 *
 * What an answer costs is told before: reconcile_cost.
 */
#ifndef MESHD_GOSSIP_REPLICA_RECONCILE_H
#define MESHD_GOSSIP_REPLICA_RECONCILE_H

#include "gossip/replica/store.h"

#define RECONCILE_KEY_SIZE 16
#define RECONCILE_LEAST	   256	 /* bytes: no message is bounded lower than that */
#define RECONCILE_MOST	   65535 /* nor larger */

/* Where what is to be said goes. An error that one of them returns ends the call and is its own. */
struct reconcile_sink {
	size_t message_max; /* bytes of a message, RECONCILE_LEAST to RECONCILE_MOST */
	int (*message)(void *context, const void *bytes, size_t size);
	/* A record that the other side lacks, in the order of the store. */
	int (*lacking)(void *context, struct record *record);
	void *context;
};

/* The first message: about sqrt(2n) records to a range, fewer the newer they are, for what differs
 * is mostly new; always one message. ERR_NOMEM. */
int reconcile_begin(const struct store *store, const uint8_t key[RECONCILE_KEY_SIZE],
	const struct reconcile_sink *sink) MUST_CHECK;
/* Another first message: asks for what stands at these places alone. They ascend. ERR_NOMEM. */
int reconcile_ask(const struct order_key *places, size_t count,
	const uint8_t key[RECONCILE_KEY_SIZE], const struct reconcile_sink *sink) MUST_CHECK;

/* ERR_MALFORMED. The rest below takes only what passed here. */
int reconcile_check(const void *message, size_t size) MUST_CHECK;
/* How many records are to be hashed for its answer. */
size_t reconcile_cost(const struct store *store, const void *message, size_t size);
/* Any number of messages and records, or nothing. ERR_NOMEM. */
int reconcile_answer(const struct store *store, const void *message, size_t size,
	const struct reconcile_sink *sink) MUST_CHECK;

#endif
