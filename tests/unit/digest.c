/* The sum over a set: independent of order, and what was added can be taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/base/text.h"
#include "gossip/record/digest.h"

#define MEMBERS 200

static void assert_digest(
	const struct digest *digest, const struct hash *chain, const char *expected)
{
	uint8_t final[DIGEST_SIZE];
	char text[2 * DIGEST_SIZE + 1];

	digest_final(digest, chain, final);
	assert_string_equal(text_hex(final, DIGEST_SIZE, text), expected);
}

/* Computed by a second implementation, in Python from RFC 8439 and hashlib's BLAKE2b. */
static void digests_are_fixed(void **state)
{
	(void)state;
	struct hash one, two, chain = {{0}};
	struct digest digest;

	memset(&one, 1, sizeof(one));
	memset(&two, 2, sizeof(two));
	digest_init(&digest);
	assert_digest(&digest, &chain, "b86d55b0ccb150d9389e6e8eec36561a");
	digest_add(&digest, &one);
	assert_digest(&digest, &chain, "d291198cf0d31f67d5826f88b7f45290");
	digest_add(&digest, &two);
	assert_digest(&digest, &chain, "c3627d2e96442947ab2fb2e4038b8f76");
	digest_remove(&digest, &two);
	digest_chain(&chain, &two);
	assert_digest(&digest, &chain, "aaf1469041d50dfac82f9416bf3886bf");
	digest_chain(&chain, &one);
	assert_digest(&digest, &chain, "2d013f4ca2d4c66395e3b95a03f5a2eb");
}

static void make_members(struct rng *rng, struct hash members[MEMBERS])
{
	rng_init(rng, (const uint8_t[32]){4});
	for (size_t i = 0; i < MEMBERS; i++)
		rng_bytes(rng, &members[i], sizeof(members[i]));
}

static void the_order_does_not_matter(void **state)
{
	(void)state;
	struct hash members[MEMBERS];
	struct digest first, second;
	struct rng rng;

	make_members(&rng, members);
	digest_init(&first);
	for (size_t i = 0; i < MEMBERS; i++)
		digest_add(&first, &members[i]);
	for (int round = 0; round < 20; round++) {
		for (size_t i = MEMBERS; i > 1; i--) {
			size_t j = rng_below(&rng, i);
			struct hash swap = members[i - 1];

			members[i - 1] = members[j];
			members[j] = swap;
		}
		digest_init(&second);
		for (size_t i = 0; i < MEMBERS; i++)
			digest_add(&second, &members[i]);
		assert_memory_equal(&first, &second, sizeof(first));
	}
}

static void removing_undoes_adding(void **state)
{
	(void)state;
	struct hash members[MEMBERS];
	struct digest digest, half, empty;
	struct rng rng;

	make_members(&rng, members);
	digest_init(&digest);
	digest_init(&half);
	digest_init(&empty);
	for (size_t i = 0; i < MEMBERS; i++)
		digest_add(&digest, &members[i]);
	for (size_t i = 0; i < MEMBERS / 2; i++)
		digest_add(&half, &members[i]);
	for (size_t i = MEMBERS; i-- > MEMBERS / 2;)
		digest_remove(&digest, &members[i]);
	assert_memory_equal(&digest, &half, sizeof(digest));
	for (size_t i = 0; i < MEMBERS / 2; i++)
		digest_remove(&digest, &members[i]);
	assert_memory_equal(&digest, &empty, sizeof(digest));
}

static void different_sets_differ(void **state)
{
	(void)state;
	struct hash members[MEMBERS];
	uint8_t finals[MEMBERS][DIGEST_SIZE];
	struct digest digest;
	struct rng rng;

	make_members(&rng, members);
	digest_init(&digest);
	for (size_t i = 0; i < MEMBERS; i++) {
		digest_add(&digest, &members[i]);
		digest_final(&digest, &(struct hash){{0}}, finals[i]);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(finals[i], finals[j], DIGEST_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_fixed),
		cmocka_unit_test(the_order_does_not_matter),
		cmocka_unit_test(removing_undoes_adding),
		cmocka_unit_test(different_sets_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
