/*
 * What is said about liveness, signed by whoever says it:
 *
 *   alive    [1, subject, generation, version, signature of the subject]
 *   suspect  [2, subject, generation, version, signature of the subject, accuser, signature of the
 *             accuser]
 *
 * A suspicion repeats the subject's own signature over the incarnation that it doubts. So nobody
 * can accuse an incarnation that was never issued (of a version that no refutation can exceed, or
 * of a member that was never heard of), and whoever has missed the `alive` learns it from the
 * accusation.
 *
 *   dead     [3, ...] the same, by one whose suspicion ran out: only between nodes that run what
 *            swim_mesh is measured against (swim_mechanisms.believes); to others it is malformed
 *
 * Signed is [mesh, subject, generation, version] under KEYS_ALIVE, and the same with the accuser
 * appended under KEYS_SUSPECT, and then a 3 for `dead`. There is one encoding of a statement
 * (base/pack.h).
 */
#ifndef MESHD_GOSSIP_SWIM_STATEMENT_H
#define MESHD_GOSSIP_SWIM_STATEMENT_H

#include "gossip/base/pack.h"
#include "gossip/crypto/keys.h"
#include "gossip/swim/swim.h"

enum statement_kind { STATEMENT_ALIVE = 1, STATEMENT_SUSPECT = 2, STATEMENT_DEAD = 3 };

struct statement {
	enum statement_kind kind;
	struct id subject;
	struct swim_incarnation incarnation; /* generation > 0 */
	struct sig alive;		     /* the subject's */
	struct id accuser;		     /* not of ALIVE, as its signature */
	struct sig suspect;
};

void statement_encode(const struct statement *statement, struct pack *out);
/* The form only, no signature. ERR_MALFORMED. */
int statement_decode(const void *bytes, size_t size, struct statement *ret) MUST_CHECK;

/* These fill in the signature of what stands in the other fields. */
void statement_sign_alive(
	struct statement *statement, const struct id *mesh, const struct keys *subject);
void statement_sign_suspect(struct statement *statement, const struct id *mesh,
	const struct keys *accuser); /* or DEAD */
/* ERR_BAD_SIGNATURE, also for a key that is none. */
int statement_verify_alive(const struct statement *statement, const struct id *mesh) MUST_CHECK;
int statement_verify_suspect(const struct statement *statement, const struct id *mesh) MUST_CHECK;

/* What the queue of news knows it by: later incarnations replace earlier ones. Accusers are told
 * apart, but one word of a death is enough. */
void statement_topic(const struct statement *statement, struct hash *ret);

#endif
