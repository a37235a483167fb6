/* Identities: as RFC 8032 has them, one purpose to a signature, no unusable keys, both sides alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "gossip/base/text.h"
#include "gossip/crypto/keys.h"

static struct keys keys_of(uint8_t number)
{
	uint8_t seed[32];
	struct keys keys;

	memset(seed, number, sizeof(seed));
	keys_from_seed(seed, &keys);
	return keys;
}

static void assert_hex(const void *data, size_t size, const char *expected)
{
	char text[129];

	assert_string_equal(text_hex(data, size, text), expected);
}

/* RFC 8032, 7.1, test 1. */
static void a_key_pair_is_the_one_of_rfc_8032(void **state)
{
	(void)state;
	uint8_t seed[32], back[32];
	struct keys keys;

	assert_int_equal(text_parse_hex("9d61b19deffd5a60ba844af492ec2cc4"
					"4449c5697b326919703bac031cae7f60",
				 seed, 32),
		0);
	keys_from_seed(seed, &keys);
	assert_hex(
		&keys.id, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	keys_seed(&keys, back);
	assert_memory_equal(back, seed, 32);
	assert_int_equal(keys_check(&keys.id), 0);
	keys_done(&keys);
	assert_true(id_is_zero(&keys.id));
}

/* All of these were computed by a second implementation, from the RFCs' formulas in Python. */
static void signatures_hashes_and_derivations_are_fixed(void **state)
{
	(void)state;
	struct keys keys = keys_of(1), peer = keys_of(2), mesh = keys_of(9);
	struct keys_pair pair;
	struct hash hash;
	struct sig sig;
	uint8_t shared[32], out[32], a[32], b[32];

	keys_sign(&keys, KEYS_RECORD, "abc", 3, &sig);
	assert_hex(&sig, 64,
		"4528255d3be6a5d024b5d04105b9b249855e29d3286ad7422b9599faa7f36e94"
		"ce7a5a2d3c73ef88f6cd7cb557ac0d7b08a969d28d4f76d72d60070b4a479d07");
	keys_hash(KEYS_RECORD_HASH, "abc", 3, &hash);
	assert_hex(&hash, 32, "90a456b5615ab731534bde8e1a1070ab913d5b8f9b41ea0218cdb17fd17ac902");
	keys_derive(KEYS_TOKEN, hash.b, "abc", 3, out);
	assert_hex(out, 32, "f2d2735360e81352d47ada5297fbb7eecfe9effe61e73fc09c5e737e6b3d9708");
	assert_int_equal(keys_agree(&keys, &peer.id, shared), 0);
	assert_hex(shared, 32, "4181d7302557342bdb6d061c4b1eebea828ecb625c3368b7111680793307220b");
	keys_pair(shared, &mesh.id, &keys.id, &peer.id, &pair);
	assert_hex(pair.send_key, 32,
		"2b18684f869d1c2522a18f94e8e39c279f05ed2d83f8240fcea36c6baf078135");
	assert_hex(pair.receive_key, 32,
		"dac32cb73a92dd4ec51fba72c93465fcd18d1d7115471450da8b6ee51c943345");
	assert_hex(pair.send_tag, 8, "0a49c570a35f585d");
	assert_hex(pair.receive_tag, 8, "529cc34ed18ce8b2");
	assert_int_equal(keys_wireguard_public(&keys.id, a), 0);
	assert_hex(a, 32, "1b1b58dd50ea14b60da17b790cd02754d970c9bab864ebb3c0f3016fe51d3f57");
	assert_int_equal(keys_wireguard_public(&peer.id, b), 0);
	keys_preshared(shared, a, b, out);
	assert_hex(out, 32, "19015ef682c5ef4bf60301f4347f64f3c6c2e8231d3539020088a44249a10d1a");
}

static void a_signature_serves_one_purpose_one_signer_one_message(void **state)
{
	(void)state;
	struct keys keys = keys_of(1), other = keys_of(2);
	uint8_t message[KEYS_SIGNED_MAX];
	struct sig sig;

	memset(message, 7, sizeof(message));
	keys_sign(&keys, KEYS_ALIVE, message, sizeof(message), &sig);
	assert_int_equal(keys_verify(&keys.id, KEYS_ALIVE, message, sizeof(message), &sig), 0);
	assert_int_equal(keys_verify(&keys.id, KEYS_SUSPECT, message, sizeof(message), &sig),
		ERR_BAD_SIGNATURE);
	assert_int_equal(keys_verify(&other.id, KEYS_ALIVE, message, sizeof(message), &sig),
		ERR_BAD_SIGNATURE);
	assert_int_equal(keys_verify(&keys.id, KEYS_ALIVE, message, sizeof(message) - 1, &sig),
		ERR_BAD_SIGNATURE);
	for (size_t i = 0; i < sizeof(sig); i++) {
		sig.b[i] ^= 1;
		assert_int_equal(keys_verify(&keys.id, KEYS_ALIVE, message, sizeof(message), &sig),
			ERR_BAD_SIGNATURE);
		sig.b[i] ^= 1;
	}
	keys_sign(&keys, KEYS_ALIVE, NULL, 0, &sig);
	assert_int_equal(keys_verify(&keys.id, KEYS_ALIVE, NULL, 0, &sig), 0);
}

/* "meshd1 record" begins "meshd1 record hash": what follows must not make one of the other. */
static void no_domain_is_the_beginning_of_another(void **state)
{
	(void)state;
	struct hash one, other;

	keys_hash(KEYS_RECORD, " hash\0abc", 9, &one);
	keys_hash(KEYS_RECORD_HASH, "abc", 3, &other);
	assert_false(hash_equal(&one, &other));
}

/* Points of order 1, 2, 4 and 8, encodings that are not canonical, a point off the curve, and one
 * of mixed order (a usable key plus a point of order 8), under which signatures can verify. */
static void unusable_keys_are_refused_everywhere(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"3bcfb78c4ad06f9b8d7e8c50e37e33dd40042a7805f5df945fbf33620745bc68",
	};
	struct keys keys = keys_of(1);
	struct sig sig;
	uint8_t out[32] = {0};
	const uint8_t untouched[32] = {0};

	keys_sign(&keys, KEYS_ALIVE, "x", 1, &sig);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct id id;

		assert_int_equal(text_parse_hex(bad[i], &id, sizeof(id)), 0);
		assert_int_equal(keys_check(&id), ERR_BAD_KEY);
		assert_int_equal(keys_verify(&id, KEYS_ALIVE, "x", 1, &sig), ERR_BAD_KEY);
		assert_int_equal(keys_agree(&keys, &id, out), ERR_BAD_KEY);
		assert_int_equal(keys_wireguard_public(&id, out), ERR_BAD_KEY);
		assert_memory_equal(out, untouched, sizeof(out));
	}
}

/* Answers are remembered by the key's first byte: the good one is not taken for the bad one that
 * came before it in the same place, nor the other way round. */
static void a_key_is_judged_by_itself_alone(void **state)
{
	(void)state;
	struct keys keys = keys_of(1);
	struct id mixed = keys.id;
	uint8_t first[32], again[32];

	mixed.b[31] ^= 0x40;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(keys_check(&mixed), ERR_BAD_KEY);
		assert_int_equal(keys_wireguard_public(&keys.id, i ? again : first), 0);
	}
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(crypto_sign_ed25519_pk_to_curve25519(again, keys.id.b), 0);
	assert_memory_equal(first, again, sizeof(first));
}

static void both_sides_of_a_pair_have_the_same_keys(void **state)
{
	(void)state;
	struct keys a = keys_of(1), b = keys_of(2), mesh = keys_of(9), other_mesh = keys_of(8);
	struct keys_pair at_a, at_b, elsewhere;
	uint8_t shared_a[32], shared_b[32], wg_a[32], wg_b[32], psk_a[32], psk_b[32];

	assert_int_equal(keys_agree(&a, &b.id, shared_a), 0);
	assert_int_equal(keys_agree(&b, &a.id, shared_b), 0);
	assert_memory_equal(shared_a, shared_b, 32);
	keys_pair(shared_a, &mesh.id, &a.id, &b.id, &at_a);
	keys_pair(shared_b, &mesh.id, &b.id, &a.id, &at_b);
	assert_memory_equal(at_a.send_key, at_b.receive_key, 32);
	assert_memory_equal(at_a.receive_key, at_b.send_key, 32);
	assert_memory_equal(at_a.send_tag, at_b.receive_tag, 8);
	assert_memory_equal(at_a.receive_tag, at_b.send_tag, 8);
	assert_memory_not_equal(at_a.send_key, at_a.receive_key, 32);
	assert_memory_not_equal(at_a.send_tag, at_a.receive_tag, 8);
	keys_pair(shared_a, &other_mesh.id, &a.id, &b.id, &elsewhere);
	assert_memory_not_equal(at_a.send_key, elsewhere.send_key, 32);
	assert_memory_not_equal(at_a.send_tag, elsewhere.send_tag, 8);

	assert_int_equal(keys_wireguard_public(&a.id, wg_a), 0);
	assert_int_equal(keys_wireguard_public(&b.id, wg_b), 0);
	keys_preshared(shared_a, wg_a, wg_b, psk_a);
	keys_preshared(shared_b, wg_b, wg_a, psk_b);
	assert_memory_equal(psk_a, psk_b, 32);
}

/* The private form is clamped (RFC 7748, 5) as WireGuard's own tools do it. */
static void a_wireguard_key_is_one_that_wireguard_accepts(void **state)
{
	(void)state;
	struct keys keys = keys_of(3);
	uint8_t private[32];

	keys_wireguard_private(&keys, private);
	assert_int_equal(private[0] & 7, 0);
	assert_int_equal(private[31] & 0xc0, 0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_pair_is_the_one_of_rfc_8032),
		cmocka_unit_test(signatures_hashes_and_derivations_are_fixed),
		cmocka_unit_test(a_signature_serves_one_purpose_one_signer_one_message),
		cmocka_unit_test(no_domain_is_the_beginning_of_another),
		cmocka_unit_test(unusable_keys_are_refused_everywhere),
		cmocka_unit_test(a_key_is_judged_by_itself_alone),
		cmocka_unit_test(both_sides_of_a_pair_have_the_same_keys),
		cmocka_unit_test(a_wireguard_key_is_one_that_wireguard_accepts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
