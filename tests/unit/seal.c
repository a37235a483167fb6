/* Sealed packets: fixed bytes, and not one of them may change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/text.h"
#include "gossip/crypto/seal.h"

static struct keys_pair sender, receiver;

static int make_pairs(void **state)
{
	(void)state;
	struct keys a, b, mesh;
	uint8_t shared[32], seed[32];

	keys_from_seed(memset(seed, 1, 32), &a);
	keys_from_seed(memset(seed, 2, 32), &b);
	keys_from_seed(memset(seed, 9, 32), &mesh);
	if (keys_agree(&a, &b.id, shared) != 0)
		return -1;
	keys_pair(shared, &mesh.id, &a.id, &b.id, &sender);
	keys_pair(shared, &mesh.id, &b.id, &a.id, &receiver);
	return 0;
}

static void a_sealed_packet_is_fixed_and_opens(void **state)
{
	(void)state;
	uint8_t packet[SEAL_PACKET_MAX], plain[SEAL_PLAIN_MAX], nonce[SEAL_NONCE_SIZE];
	char text[2 * SEAL_PACKET_MAX + 1];
	size_t size, plain_size;

	memset(nonce, 5, sizeof(nonce));
	size = seal_packet(&sender, nonce, "hello", 5, packet);
	assert_int_equal(size, SEAL_OVERHEAD + 5);
	assert_string_equal(text_hex(packet, size, text),
		"0a49c570a35f585d05050505050505050505050505050505"
		"0505050505050505"
		"80ad3adcb22f8e2364c991b50041a7cce5a7675ea9");
	assert_memory_equal(packet, receiver.receive_tag, SEAL_TAG_SIZE);
	assert_int_equal(seal_open(&receiver, packet, size, plain, &plain_size), 0);
	assert_int_equal(plain_size, 5);
	assert_memory_equal(plain, "hello", 5);
}

static void the_empty_and_the_largest_packet_open(void **state)
{
	(void)state;
	uint8_t packet[SEAL_PACKET_MAX], plain[SEAL_PLAIN_MAX], opened[SEAL_PLAIN_MAX];
	uint8_t nonce[SEAL_NONCE_SIZE] = {1};
	size_t size, plain_size = 1;

	size = seal_packet(&sender, nonce, "", 0, packet);
	assert_int_equal(seal_open(&receiver, packet, size, opened, &plain_size), 0);
	assert_int_equal(plain_size, 0);
	memset(plain, 0xa5, sizeof(plain));
	size = seal_packet(&sender, nonce, plain, sizeof(plain), packet);
	assert_int_equal(size, SEAL_PACKET_MAX);
	assert_int_equal(seal_open(&receiver, packet, size, opened, &plain_size), 0);
	assert_int_equal(plain_size, SEAL_PLAIN_MAX);
	assert_memory_equal(opened, plain, sizeof(plain));
}

static void every_change_and_every_truncation_is_refused(void **state)
{
	(void)state;
	uint8_t packet[SEAL_PACKET_MAX], plain[SEAL_PLAIN_MAX] = {0}, nonce[SEAL_NONCE_SIZE] = {2};
	const uint8_t untouched[SEAL_PLAIN_MAX] = {0};
	size_t size = seal_packet(&sender, nonce, "some bytes of a message", 23, packet);
	size_t plain_size = 99;

	for (size_t i = 0; i < size; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			packet[i] ^= (uint8_t)(1U << bit);
			assert_int_equal(
				seal_open(&receiver, packet, size, plain, &plain_size), ERR_AUTH);
			packet[i] ^= (uint8_t)(1U << bit);
		}
	}
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(seal_open(&receiver, packet, cut, plain, &plain_size),
			cut < SEAL_OVERHEAD ? ERR_MALFORMED : ERR_AUTH);
	assert_int_equal(seal_open(&receiver, packet, SEAL_PACKET_MAX + 1, plain, &plain_size),
		ERR_MALFORMED);
	assert_int_equal(plain_size, 99);
	assert_memory_equal(plain, untouched, sizeof(plain));
}

static void a_packet_does_not_open_in_the_other_direction(void **state)
{
	(void)state;
	uint8_t packet[SEAL_PACKET_MAX], plain[SEAL_PLAIN_MAX], nonce[SEAL_NONCE_SIZE] = {3};
	size_t size = seal_packet(&sender, nonce, "mine", 4, packet), plain_size;

	assert_int_equal(seal_open(&sender, packet, size, plain, &plain_size), ERR_AUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_packet_is_fixed_and_opens),
		cmocka_unit_test(the_empty_and_the_largest_packet_open),
		cmocka_unit_test(every_change_and_every_truncation_is_refused),
		cmocka_unit_test(a_packet_does_not_open_in_the_other_direction),
	};
	return cmocka_run_group_tests(tests, make_pairs, NULL);
}
