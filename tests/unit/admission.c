/* Names, invites, admissions, revocations, charters: exact bytes, and nothing else is let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "gossip/base/text.h"
#include "gossip/record/hlc.h"
#include "tests/support/records.h"

#define NODE	7
#define ADMIN	1
#define WITNESS 2
#define INVITE	100

static void expect_hex(const void *data, size_t size, const char *want)
{
	char *hex = malloc(2 * size + 1);

	assert_non_null(hex);
	assert_string_equal(text_hex(data, size, hex), want);
	free(hex);
}

static void names_are_dns_labels_that_are_no_ids(void **state)
{
	(void)state;
	static const char *const good[] = {
		"a", "alpha", "node-7", "7", "abc", "0-0", "cafe-1", "xn--p1ai", "123g"};
	static const char *const bad[] = {"", "-a", "a-", "-", "cafe", "0000", "12345678", "Alpha",
		"a.b", "a b", "a~b", "\xc3\xa9t\xc3\xa9", "a\n"};
	char longest[ADMISSION_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(admission_check_name(good[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(admission_check_name(bad[i]), ERR_INVALID);
	memset(longest, 'x', sizeof(longest));
	longest[ADMISSION_NAME_MAX + 1] = '\0';
	assert_int_equal(admission_check_name(longest), ERR_INVALID);
	longest[ADMISSION_NAME_MAX] = '\0';
	assert_int_equal(admission_check_name(longest), 0);
}

static struct invite full_invite(void)
{
	struct invite invite = {
		.id = records_id(INVITE),
		.expires_ms = RECORDS_START_MS + 1000000,
		.uses = 3,
		.ephemeral = true,
		.node_name = "alpha",
		.tag_count = 2,
		.tags = {"edge", "rack-2"},
		.address_count = 2,
		.endpoint_count = 1,
	};

	assert_int_equal(text_parse_ip("100.64.0.9", &invite.addresses[0]), 0);
	assert_int_equal(text_parse_ip("fd00::9", &invite.addresses[1]), 0);
	assert_int_equal(text_parse_endpoint("192.0.2.1:8946", &invite.endpoints[0]), 0);
	return invite;
}

static void an_invites_value_has_exactly_these_bytes(void **state)
{
	(void)state;
	struct invite in = full_invite(), out;
	struct record *record = records_invite(ADMIN, INVITE, records_at(1), &in);

	expect_hex(record->value, record->value_size,
		"98cf0000018bcff4aa400302a5616c70686192a465646765a67261636b2d3292c40464400009"
		"c410fd0000000000000000000000000000099192c404c0000201cd22f2c0");
	assert_int_equal(invite_decode(record, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	record_unref(record);
}

/* What becomes of an invite that an admin of bad will signs. */
static int decode_changed(void (*change)(struct invite *invite))
{
	struct invite invite = full_invite(), out;
	struct record *record;
	int err;

	change(&invite);
	record = records_invite(ADMIN, INVITE, records_at(1), &invite);
	err = invite_decode(record, &out);
	record_unref(record);
	return err;
}

static void too_many_uses(struct invite *invite)
{
	invite->uses = INVITE_USES_MAX + 1;
}
static void admin_for_two(struct invite *invite)
{
	invite->admin = true;
	invite->uses = 2;
}
static void bad_name(struct invite *invite)
{
	strcpy(invite->node_name, "Alpha");
}
static void bad_tag(struct invite *invite)
{
	strcpy(invite->tags[0], "a\"b");
}
static void empty_tag(struct invite *invite)
{
	invite->tags[0][0] = '\0';
}
static void same_tag(struct invite *invite)
{
	strcpy(invite->tags[0], invite->tags[1]);
}
static void same_family(struct invite *invite)
{
	invite->addresses[0] = invite->addresses[1];
}
static void replacing_thrice(struct invite *invite)
{
	invite->has_replaced = true;
}
static void port_zero(struct invite *invite)
{
	invite->endpoints[0].port = 0;
}
static void nothing(struct invite *invite)
{
	(void)invite;
}

static void an_invite_outside_its_limits_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(nothing), 0);
	assert_int_equal(decode_changed(too_many_uses), ERR_MALFORMED);
	assert_int_equal(decode_changed(admin_for_two), ERR_MALFORMED);
	assert_int_equal(decode_changed(bad_name), ERR_MALFORMED);
	assert_int_equal(decode_changed(bad_tag), ERR_MALFORMED);
	assert_int_equal(decode_changed(empty_tag), ERR_MALFORMED);
	assert_int_equal(decode_changed(same_tag), ERR_MALFORMED);
	assert_int_equal(decode_changed(same_family), ERR_MALFORMED);
	assert_int_equal(decode_changed(port_zero), ERR_MALFORMED);
	assert_int_equal(decode_changed(replacing_thrice), ERR_MALFORMED);
}

static struct record *make_admission(void)
{
	struct invite terms = full_invite();
	struct record *invite = records_invite(ADMIN, INVITE, records_at(1), &terms);
	struct record *record =
		records_admission(NODE, "alpha", INVITE, invite, WITNESS, records_at(5));

	record_unref(invite);
	return record;
}

static void an_admission_has_exactly_these_bytes(void **state)
{
	(void)state;
	struct record *record = make_admission();

	expect_hex(record->bytes, record->size,
		"980109c420037c11b2db1c59bd192db655c4544ac3db8bf2c38d6c359276f2ff94fa6d76a8c4"
		"2089d8fbbc744d810ce942b049bddbba39257fc52dd98cee91a2ae1e9736e8efcbc400cf018b"
		"cfe57b88000000c501a895a5616c706861c4f9980104c420037c11b2db1c59bd192db655c454"
		"4ac3db8bf2c38d6c359276f2ff94fa6d76a8c42022f0bd6e6737ec5eae2eeea7c1fc22af8272"
		"a5d8a194dbb82cc50aa67c789ecdc420338c09e26ca35ccfe5a08017e60db7f2f022cc4c363f"
		"003e07db4306774aab65cf018bcfe56be8000000c44498cf0000018bcff4aa400302a5616c70"
		"686192a465646765a67261636b2d3292c40464400009c410fd00000000000000000000000000"
		"00099192c404c0000201cd22f2c04f7377914849e1364a61c8d4beabd9fd1ea665a9225636b7"
		"09bc685f3e9df0753a403fc8b8b77e183a213e6de79328e950db5da5309cd96d3065f40c543d"
		"4e07c440c12eea8933c7feb302226303d7f2c1dd1fb33d8c9ce7890fe65fea625dc7013e866c"
		"732ca2f83e0054a1d68e34b013ce594fa3a4fdf3dedb5d67b040b575cd06c420b30790fa840d"
		"636011d0f3d4071fa5760daf4ffc7b90fd1aef92280830d4e0cbc440d0582661fab2b546f046"
		"06aba5610a1aa4ba7b761d69b746d051b3a4c50ca4485862952ed6a212468084ffc1fc224b65"
		"e85a9b3bbe9671898555ceb39197920ea6b48b0d2bdf699cd1a165b00dce228eff80706beed5"
		"8f0c60ad1f04bf5087b382ec3e80e25346215c0f1e7ec8c5e2c1df09fe66b8daa0a574eaea25"
		"f37ed301");
	record_unref(record);
}

static void an_admission_says_who_came_in_how(void **state)
{
	(void)state;
	struct record *record = make_admission();
	struct id node = records_id(NODE), witness = records_id(WITNESS), invite = records_id(100);
	struct admission admission;

	assert_int_equal(record_verify(record), 0);
	assert_int_equal(admission_decode(records_mesh(), record, &admission), 0);
	record_unref(record);
	assert_true(id_equal(&admission.node, &node));
	assert_true(id_equal(&admission.witness, &witness));
	assert_true(id_equal(&admission.invite.id, &invite));
	assert_string_equal(admission.name, "alpha");
	assert_true(admission.stamp == records_at(5));
	assert_int_equal(admission_verify(records_mesh(), &admission, false), 0);
	admission_done(&admission);
}

/* Decodes and verifies as a receiver does. */
static int receive(const struct record *record)
{
	struct admission admission;
	int err = admission_decode(records_mesh(), record, &admission);

	if (err)
		return err;
	err = admission_verify(records_mesh(), &admission, false);
	admission_done(&admission);
	return err;
}

/* The joiner signs whatever it likes as its admission's value. */
static struct record *sign_value(const uint8_t *value, size_t size)
{
	return records_make(NODE, RECORD_ADMISSION, records_at(5), NULL, 0, value, size);
}

static void an_admission_with_any_byte_changed_is_refused(void **state)
{
	(void)state;
	struct record *good = make_admission();
	uint8_t value[2048];

	assert_true(good->value_size <= sizeof(value));
	assert_int_equal(receive(good), 0);
	memcpy(value, good->value, good->value_size);
	for (size_t i = 0; i < good->value_size; i++) {
		for (unsigned flip = 1; flip < 256; flip = flip * 16 + 1) {
			struct record *bad;

			value[i] ^= (uint8_t)flip;
			bad = sign_value(value, good->value_size);
			assert_int_not_equal(receive(bad), 0);
			record_unref(bad);
			value[i] ^= (uint8_t)flip;
		}
	}
	record_unref(good);
}

static void an_admission_cut_short_or_too_long_is_refused(void **state)
{
	(void)state;
	struct record *good = make_admission();
	uint8_t value[2048] = {0};

	memcpy(value, good->value, good->value_size);
	for (size_t size = 0; size <= good->value_size + 1; size++) {
		struct record *record = sign_value(value, size);

		assert_int_equal(receive(record), size == good->value_size ? 0 : ERR_MALFORMED);
		record_unref(record);
	}
	record_unref(good);
}

static void anothers_admission_is_nobody_elses(void **state)
{
	(void)state;
	struct record *good = make_admission();
	struct record *stolen = records_make(
		8, RECORD_ADMISSION, records_at(5), NULL, 0, good->value, good->value_size);
	struct record *later = records_make(
		NODE, RECORD_ADMISSION, records_at(6), NULL, 0, good->value, good->value_size);
	struct record *keyed = records_make(
		NODE, RECORD_ADMISSION, records_at(5), "k", 1, good->value, good->value_size);

	assert_int_equal(receive(stolen), ERR_BAD_SIGNATURE);
	assert_int_equal(receive(later), ERR_BAD_SIGNATURE); /* the stamp is the witness's */
	assert_int_equal(receive(keyed), ERR_MALFORMED);
	record_unref(good);
	record_unref(stolen);
	record_unref(later);
	record_unref(keyed);
}

static int receive_made(
	const struct invite *terms, unsigned author, const char *name, unsigned key, uint64_t stamp)
{
	struct record *invite = records_invite(author, INVITE, records_at(10), terms);
	struct record *record = records_admission(NODE, name, key, invite, WITNESS, stamp);
	int err = receive(record);

	record_unref(record);
	record_unref(invite);
	return err;
}

static void the_terms_of_an_invite_bind_everybody(void **state)
{
	(void)state;
	const struct invite terms = {
		.uses = 1, .expires_ms = RECORDS_START_MS + 20 * 1000, .node_name = "alpha"};
	const struct invite admin = {.admin = true};

	assert_int_equal(receive_made(&terms, ADMIN, "alpha", INVITE, records_at(10)), 0);
	assert_int_equal(receive_made(&terms, ADMIN, "alpha", INVITE, records_at(20)), 0);
	assert_int_equal(receive_made(&terms, ADMIN, "alpha", INVITE, records_at(21)), ERR_EXPIRED);
	assert_int_equal(
		receive_made(&terms, ADMIN, "alpha", INVITE, records_at(9)), ERR_MALFORMED);
	assert_int_equal(
		receive_made(&terms, ADMIN, "beta", INVITE, records_at(15)), ERR_MALFORMED);
	assert_int_equal(receive_made(NULL, ADMIN, "beta", INVITE, records_at(15)), 0);
	assert_int_equal(receive_made(NULL, ADMIN, "Beta", INVITE, records_at(15)), ERR_MALFORMED);
	/* signed with another key than the invite names */
	assert_int_equal(receive_made(NULL, ADMIN, "beta", 101, records_at(15)), ERR_BAD_SIGNATURE);
	assert_int_equal(receive_made(&admin, RECORDS_ROOT, "beta", INVITE, records_at(15)), 0);
	assert_int_equal(
		receive_made(&admin, ADMIN, "beta", INVITE, records_at(15)), ERR_NOT_ADMIN);
}

static void an_invite_of_another_mesh_admits_nobody(void **state)
{
	(void)state;
	struct record *good = make_admission();
	struct id other = records_id(3);
	struct admission admission;

	assert_int_equal(admission_decode(&other, good, &admission), ERR_OTHER_MESH);
	record_unref(good);
}

static void a_name_too_long_to_sign_is_refused(void **state)
{
	(void)state;
	struct id id = records_id(NODE);
	struct sig sig = {{0}};
	char name[300];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(
		admission_verify_invite(records_mesh(), &id, &id, name, &sig), ERR_INVALID);
	assert_int_equal(admission_verify_witness(records_mesh(), &id, &id, name, &id, 1, &sig),
		ERR_INVALID);
}

static struct record *make_revocation(enum record_type type, const struct revocation *terms)
{
	struct id keep[2] = {records_id(3), records_id(4)};

	return records_revocation(ADMIN, type, records_at(9), terms, keep, 2);
}

static void a_revocations_value_and_key_have_exactly_these_bytes(void **state)
{
	(void)state;
	const struct revocation in = {.subject = records_id(NODE),
		.name = "alpha~ab12",
		.reason = "stolen",
		.has_invite = true,
		.invite = records_id(INVITE),
		.chunk = 1,
		.chunk_count = 3};
	struct id kept = records_id(3), other = records_id(5);
	struct record *record = make_revocation(RECORD_REVOCATION, &in);
	struct revocation out;

	expect_hex(record->key, record->key_size,
		"89d8fbbc744d810ce942b049bddbba39257fc52dd98cee91a2ae1e9736e8efcb00030001");
	expect_hex(record->value, record->value_size,
		"94aa616c7068617e61623132a673746f6c656ec420338c09e26ca35ccfe5a08017e60db7f2f0"
		"22cc4c363f003e07db4306774aab65c440d51eec100309edb60fc986b9340b7fa71d0b011a90"
		"02cc66fac0b2cadb65b7f6e4efba55e4433ebdd2a0517bdb69f6c29da18866a0db13a669b322"
		"f6b3283b72");
	assert_int_equal(revocation_decode(record, &out), 0);
	assert_true(id_equal(&out.subject, &in.subject) && id_equal(&out.invite, &in.invite));
	assert_string_equal(out.name, in.name);
	assert_string_equal(out.reason, in.reason);
	assert_true(out.has_invite);
	assert_int_equal(out.chunk, 1);
	assert_int_equal(out.chunk_count, 3);
	assert_int_equal(out.keep_count, 2);
	assert_true(revocation_keeps(&out, &kept));
	assert_false(revocation_keeps(&out, &other));
	record_unref(record);
}

static int decode_revocation(enum record_type type, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	struct record *record =
		records_make(ADMIN, type, records_at(9), key, key_size, value, value_size);
	struct revocation out;
	int err = revocation_decode(record, &out);

	record_unref(record);
	return err;
}

static void a_revocation_that_is_not_quite_one_is_refused(void **state)
{
	(void)state;
	const struct revocation terms = {
		.subject = records_id(NODE), .has_invite = true, .invite = records_id(INVITE)};
	struct record *good = make_revocation(RECORD_REVOCATION, &terms);
	uint8_t value[512], key[36] = {1};
	size_t size = good->value_size;

	assert_true(size + 1 <= sizeof(value));
	memcpy(value, good->value, size);
	value[size] = 0;
	for (size_t i = 0; i <= size + 1; i++)
		assert_int_equal(decode_revocation(RECORD_REVOCATION, key, 32, value, i),
			i == size ? 0 : ERR_MALFORMED);
	/* only the revocation of a node closes an invite */
	assert_int_equal(decode_revocation(RECORD_CLOSING, key, 32, value, size), ERR_MALFORMED);
	assert_int_equal(decode_revocation(RECORD_INVITE, key, 32, value, size), ERR_MALFORMED);
	/* chunks: 2 at least, numbered from 0 */
	static const struct {
		uint8_t tail[4];
		int want;
	} tails[] = {{{0, 2, 0, 0}, 0}, {{0, 2, 0, 1}, 0}, {{0, 2, 0, 2}, ERR_MALFORMED},
		{{0, 1, 0, 0}, ERR_MALFORMED}, {{0, 0, 0, 0}, ERR_MALFORMED}, {{0, 128, 0, 127}, 0},
		{{0, 129, 0, 0}, ERR_MALFORMED}};
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		memcpy(key + 32, tails[i].tail, 4);
		assert_int_equal(
			decode_revocation(RECORD_REVOCATION, key, 36, value, size), tails[i].want);
	}
	assert_int_equal(decode_revocation(RECORD_REVOCATION, key, 33, value, size), ERR_MALFORMED);
	/* the list is sorted and without repetition */
	memcpy(value + size - 32, value + size - 64, 32);
	assert_int_equal(decode_revocation(RECORD_REVOCATION, key, 32, value, size), ERR_MALFORMED);
	value[size - 32]--;
	assert_int_equal(decode_revocation(RECORD_REVOCATION, key, 32, value, size), ERR_MALFORMED);
	record_unref(good);
}

static void the_longest_list_fits_a_record(void **state)
{
	(void)state;
	static uint8_t keep[REVOCATION_KEEP_MAX][32];
	struct revocation terms = {.subject = records_id(NODE), .has_invite = true}, out;
	struct record *record;

	memset(terms.name, 'x', sizeof(terms.name) - 1);
	memset(terms.reason, 'x', sizeof(terms.reason) - 1);
	for (size_t i = 0; i < REVOCATION_KEEP_MAX; i++) {
		keep[i][0] = (uint8_t)(i >> 8);
		keep[i][1] = (uint8_t)i;
	}
	record = records_revocation(
		ADMIN, RECORD_REVOCATION, records_at(1), &terms, keep, REVOCATION_KEEP_MAX);
	assert_int_equal(revocation_decode(record, &out), 0);
	assert_int_equal(out.keep_count, REVOCATION_KEEP_MAX);
	for (size_t i = 0; i < REVOCATION_KEEP_MAX; i++)
		assert_true(revocation_keeps(&out, keep[i]));
	record_unref(record);
}

static void a_charters_value_has_exactly_these_bytes(void **state)
{
	(void)state;
	struct record *record = records_charter(records_at(1));
	struct record *cut = records_make(RECORDS_ROOT, RECORD_CHARTER, records_at(1), NULL, 0,
		record->value, record->value_size - 1);
	struct record *keyed = records_make(RECORDS_ROOT, RECORD_CHARTER, records_at(1), "k", 1,
		record->value, record->value_size);
	struct charter charter;

	expect_hex(record->value, record->value_size,
		"93a47465737492c404644300001092c410fd5b634728940000000000000000000030");
	assert_int_equal(charter_decode(record, &charter), 0);
	assert_string_equal(charter.name, "test");
	assert_int_equal(charter_decode(cut, &charter), ERR_MALFORMED);
	assert_int_equal(charter_decode(keyed, &charter), ERR_MALFORMED);
	record_unref(record);
	record_unref(cut);
	record_unref(keyed);
}

static void a_charter_with_unfit_prefixes_is_refused(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {{"10.0.0.0/8", "fd00::/48"},
		{"127.0.0.0/8", "fd00::/48"}, {"10.0.0.0/8", "fe80::/64"},
		{"fd00::/48", "fd00::/48"}, {"10.0.0.0/8", "10.0.0.0/8"}};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct charter charter = {.name = "x"}, out;
		uint8_t value[128];
		struct record *record;
		struct pack pack;

		assert_int_equal(text_parse_prefix(pairs[i][0], false, &charter.prefix4), 0);
		assert_int_equal(text_parse_prefix(pairs[i][1], false, &charter.prefix6), 0);
		pack_init(&pack, value, sizeof(value));
		charter_encode(&charter, &pack);
		assert_int_equal(pack_status(&pack), 0);
		record = records_make(
			RECORDS_ROOT, RECORD_CHARTER, records_at(1), NULL, 0, value, pack.size);
		assert_int_equal(charter_decode(record, &out), i == 0 ? 0 : ERR_MALFORMED);
		record_unref(record);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_dns_labels_that_are_no_ids),
		cmocka_unit_test(an_invites_value_has_exactly_these_bytes),
		cmocka_unit_test(an_invite_outside_its_limits_is_refused),
		cmocka_unit_test(an_admission_has_exactly_these_bytes),
		cmocka_unit_test(an_admission_says_who_came_in_how),
		cmocka_unit_test(an_admission_with_any_byte_changed_is_refused),
		cmocka_unit_test(an_admission_cut_short_or_too_long_is_refused),
		cmocka_unit_test(anothers_admission_is_nobody_elses),
		cmocka_unit_test(the_terms_of_an_invite_bind_everybody),
		cmocka_unit_test(an_invite_of_another_mesh_admits_nobody),
		cmocka_unit_test(a_name_too_long_to_sign_is_refused),
		cmocka_unit_test(a_revocations_value_and_key_have_exactly_these_bytes),
		cmocka_unit_test(a_revocation_that_is_not_quite_one_is_refused),
		cmocka_unit_test(the_longest_list_fits_a_record),
		cmocka_unit_test(a_charters_value_has_exactly_these_bytes),
		cmocka_unit_test(a_charter_with_unfit_prefixes_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
