/* Segments as configuration: their names, their numbers, their one encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/text.h"
#include "gossip/record/segment.h"

static bool is_name(const char *name)
{
	return segment_name_is_valid(name, strlen(name));
}

static void a_name_is_an_interface_s_and_no_other_s(void **state)
{
	(void)state;
	static const char *const good[] = {"lan0", "a", "0", "Office-2.a_b", "vx", "vxlan", "vx1a",
		"v100", "loop", "fifteen-letters"};
	static const char *const bad[] = {"", ".", "..", "-x", ".x", "_x", "a/b", "a b", "a\tb",
		"a:b", "a%d", "lo", "all", "default", "vx1", "vx100", "sixteen-letters.", "lan@0",
		"b\xc3\xbcro"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(is_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(is_name(bad[i]));
	assert_false(segment_name_is_valid("a\0b", 3));
}

/* Computed by a second implementation, in Python. */
static void a_vni_that_is_not_given_follows_from_mesh_and_name(void **state)
{
	(void)state;
	struct id mesh, other;

	memset(&mesh, 9, sizeof(mesh));
	memset(&other, 8, sizeof(other));
	assert_int_equal(segment_vni(&mesh, "lan0"), 2312882);
	assert_int_equal(segment_vni(&mesh, "lan1"), 2548629);
	assert_int_not_equal(segment_vni(&other, "lan0"), segment_vni(&mesh, "lan0"));
}

static void a_segment_is_fixed_and_reads_back(void **state)
{
	(void)state;
	struct segment segment = {.vni = 0x123456, .automatic = true}, back;
	uint8_t memory[SEGMENT_SIZE_MAX];
	char text[2 * sizeof(memory) + 1];
	struct pack pack;

	pack_init(&pack, memory, sizeof(memory));
	segment_encode(&segment, &pack);
	assert_string_equal(text_hex(pack.data, pack.size, text), "93ce00123456c3c2");
	assert_int_equal(segment_decode(pack.data, pack.size, &back), 0);
	assert_int_equal(back.vni, segment.vni);
	assert_true(back.automatic && !back.flood);
	for (size_t size = 0; size < pack.size; size++)
		assert_int_equal(segment_decode(pack.data, size, &back), ERR_MALFORMED);
	assert_int_equal(segment_decode("\x93\x01\xc3\xc2\xc0", 5, &back), ERR_MALFORMED);
	/* a later version's, with more behind it */
	assert_int_equal(segment_decode("\x95\x01\xc3\xc2\xc0\x91\x05", 7, &back), 0);
	assert_true(back.vni == 1 && back.automatic && !back.flood);
}

static void what_is_no_segment_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"9300c2c2", "93ce01000000c2c2", "93cd0001c2c2", "9301c2",
		"9401c2c2", "9401c2c2c1", "930101c2", "93a131c2c2", "c0", "01"};
	struct segment back = {.vni = 7};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t bytes[16];
		size_t size = strlen(bad[i]) / 2;

		assert_int_equal(text_parse_hex(bad[i], bytes, size), 0);
		assert_int_equal(segment_decode(bytes, size, &back), ERR_MALFORMED);
	}
	assert_int_equal(back.vni, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_an_interface_s_and_no_other_s),
		cmocka_unit_test(a_vni_that_is_not_given_follows_from_mesh_and_name),
		cmocka_unit_test(a_segment_is_fixed_and_reads_back),
		cmocka_unit_test(what_is_no_segment_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
