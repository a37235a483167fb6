/* The join token: small, exact, and either whole or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/base/text.h"
#include "gossip/trust/token.h"
#include "tests/support/records.h"

#define ADMIN  1
#define INVITE 100

static const char golden[] =
	"mesh1_AZTEIAN8EbLbHFm9GS22VcRUSsPbi_LDjWw1knby_5T6bXaoxCBkAAAAWlpaWlpaWlpaWl"
	"paWlpaWlpaWlpaWlpaWlpaWpTEICLwvW5nN-xeri7up8H8Iq-CcqXYoZTbuCzFCqZ8eJ7NzwGLz-"
	"Vr6AAAxEC3WMg49MuYfP9fpBHouHAPMTRF9pDREHIMAW-bITCFRz7UcweeBhE4cCMVhXiG-4sEz6"
	"GwrrmqWrgP0YTGs08LxACTzwGLz-Vv0AAAxEDfJkagNj3HQLumhuwZlQMQgw_SjVVq8Rk3i42nXo"
	"Kyzr4nOiij9LjmP3SgWTAs4E7MldAKDJMLEa0SpC1y96cMxFOYzwAAAYvQHF5QAQCgkJCTksQQIA"
	"ENuBERIiIzM0REVVVmZs0i8pLEECABDbiqqru7zMzd3e7u___NIvKSxBD-gAAAAAAAABI0VniavN"
	"7wzUoCwGOaXOw";

/* As `invite` on an admin's node makes it: a grant and three IPv6 endpoints. */
static struct invite usual_terms(void)
{
	static const char *const endpoints[] = {"[2001:db8:1111:2222:3333:4444:5555:6666]:8946",
		"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:8946",
		"[fe80::1234:5678:9abc:def0]:18946"};
	struct invite terms = {.uses = 1, .endpoint_count = ARRAY_SIZE(endpoints)};

	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++)
		assert_int_equal(text_parse_endpoint(endpoints[i], &terms.endpoints[i]), 0);
	return terms;
}

static void make(struct token *token, unsigned author, bool grant, const struct invite *terms)
{
	*token = (struct token){.mesh = *records_mesh()};
	records_keys(INVITE, &token->key);
	token->grant = grant ? records_grant(author, records_at(1)) : NULL;
	token->record = records_invite(author, INVITE, records_at(2), terms);
	assert_int_equal(invite_decode(token->record, &token->invite), 0);
}

static void make_text(
	unsigned author, bool grant, const struct invite *terms, char text[TOKEN_TEXT_MAX])
{
	struct token token;

	make(&token, author, grant, terms);
	assert_int_equal(token_encode(&token, text), 0);
	token_done(&token);
}

static void make_usual(char text[TOKEN_TEXT_MAX])
{
	struct invite terms = usual_terms();

	make_text(ADMIN, true, &terms, text);
}

static bool same_record(const struct record *a, const struct record *b)
{
	return a && b ? a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0 : a == b;
}

static void expect_round_trip(unsigned author, bool grant, const struct invite *terms)
{
	char text[TOKEN_TEXT_MAX];
	struct token in, out;

	make(&in, author, grant, terms);
	assert_int_equal(token_encode(&in, text), 0);
	assert_int_equal(token_decode(text, &out), 0);
	assert_true(id_equal(&in.mesh, &out.mesh));
	assert_memory_equal(&in.key, &out.key, sizeof(in.key));
	assert_memory_equal(&in.invite, &out.invite, sizeof(in.invite));
	assert_true(same_record(in.record, out.record));
	assert_true(same_record(in.grant, out.grant));
	token_done(&in);
	token_done(&out);
}

static void the_records_are_rebuilt_bit_for_bit(void **state)
{
	(void)state;
	struct invite terms = usual_terms();

	expect_round_trip(ADMIN, true, &terms);
	expect_round_trip(ADMIN, false, &terms);
	terms.admin = true;
	expect_round_trip(RECORDS_ROOT, false, &terms);
}

static void a_usual_token_is_this_line(void **state)
{
	(void)state;
	char text[TOKEN_TEXT_MAX];

	make_usual(text);
	assert_string_equal(text, golden);
	assert_true(strlen(text) < 600);
	assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_"),
		strlen(text));
}

static void the_largest_invite_fits(void **state)
{
	(void)state;
	struct invite terms = usual_terms();

	terms.uses = INVITE_USES_MAX;
	terms.expires_ms = INT64_MAX;
	terms.ephemeral = true;
	memset(terms.node_name, 'x', ADMISSION_NAME_MAX);
	terms.tag_count = INVITE_TAGS_MAX;
	for (size_t i = 0; i < INVITE_TAGS_MAX; i++) {
		memset(terms.tags[i], 'x', INVITE_TAG_MAX);
		terms.tags[i][0] = (char)('a' + i);
	}
	terms.address_count = INVITE_ADDRESSES_MAX;
	assert_int_equal(text_parse_ip("10.0.0.1", &terms.addresses[0]), 0);
	assert_int_equal(text_parse_ip("fd00::1", &terms.addresses[1]), 0);
	terms.endpoints[terms.endpoint_count++] = terms.endpoints[0];
	expect_round_trip(ADMIN, true, &terms);
}

static void a_token_that_replaces_a_node_is_short_enough(void **state)
{
	(void)state;
	struct invite terms = usual_terms();
	char text[TOKEN_TEXT_MAX];

	strcpy(terms.node_name, "gateway-north");
	terms.address_count = 2;
	assert_int_equal(text_parse_ip("100.70.1.2", &terms.addresses[0]), 0);
	assert_int_equal(text_parse_ip("fd00::1", &terms.addresses[1]), 0);
	terms.uses = 1;
	terms.has_replaced = true;
	terms.replaced = records_id(77);
	make_text(ADMIN, true, &terms, text);
	assert_true(strlen(text) < 650);
	expect_round_trip(ADMIN, true, &terms);
}

static void white_space_around_it_is_nothing(void **state)
{
	(void)state;
	char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 16];
	struct token token;

	make_usual(text);
	snprintf(padded, sizeof(padded), " \t%s \r\n\n", text);
	assert_int_equal(token_decode(padded, &token), 0);
	token_done(&token);
}

static void expect_damaged(const char *text)
{
	struct token token;
	int err = token_decode(text, &token);

	if (err != ERR_DAMAGED && err != ERR_MALFORMED)
		fail_msg("%s: %s", text, err_text(err));
}

static void any_one_character_changed_is_damage(void **state)
{
	(void)state;
	static const char others[] = "Aa0z9_-+/= \n.M{";
	char text[TOKEN_TEXT_MAX];
	size_t size;

	make_usual(text);
	size = strlen(text);
	for (size_t i = 0; i < size; i++) {
		char right = text[i];

		for (const char *other = others; *other; other++) {
			if (*other == right)
				continue;
			/* white space in place of an end is a character lost */
			text[i] = *other;
			expect_damaged(text);
		}
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] = (char)(right ^ 1 << bit);
			expect_damaged(text);
		}
		text[i] = right;
	}
}

static void any_one_character_lost_or_doubled_is_damage(void **state)
{
	(void)state;
	char text[TOKEN_TEXT_MAX], changed[TOKEN_TEXT_MAX + 1];
	size_t size;

	make_usual(text);
	size = strlen(text);
	for (size_t i = 0; i < size; i++) {
		memcpy(changed, text, i);
		memcpy(changed + i, text + i + 1, size - i);
		if (strcmp(changed, text) != 0)
			expect_damaged(changed);
		memcpy(changed + i, text + i, size - i + 1);
		memmove(changed + i + 1, changed + i, size - i + 1);
		expect_damaged(changed);
	}
}

static void any_beginning_of_it_is_damage(void **state)
{
	(void)state;
	char text[TOKEN_TEXT_MAX];

	make_usual(text);
	for (size_t size = strlen(text); size-- > 0;) {
		text[size] = '\0';
		expect_damaged(text);
	}
}

static void what_is_no_token_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", " ", "\n", "mesh", "mesh1_", "mesh1_A",
		"mesh1_AAAA", "mesh1_AAAAAA", "mesh1_AAAAAAAA", "mesh_AAAAAAAA", "hello world",
		"mesh1_!!!!!!!!!!!!", "meshx_AAAAAAAA", "MESH1_AAAAAAAA"};
	char *huge = malloc(1 << 20);
	struct token token;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		expect_damaged(texts[i]);
	assert_non_null(huge);
	memset(huge, 'A', (1 << 20) - 1);
	memcpy(huge, "mesh1_", 6);
	huge[(1 << 20) - 1] = '\0';
	assert_int_equal(token_decode(huge, &token), ERR_MALFORMED);
	free(huge);
}

/* The binary form, changed by whoever can compute a checksum. */
static int decode_changed(void (*change)(uint8_t *binary, size_t *size), const char *prefix)
{
	char text[TOKEN_TEXT_MAX];
	uint8_t binary[TOKEN_TEXT_MAX];
	size_t size;
	struct hash hash;
	struct token token;

	make_usual(text);
	assert_int_equal(sodium_base642bin(binary, sizeof(binary), text + 6, strlen(text + 6), NULL,
				 &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
		0);
	size -= 4;
	change(binary, &size);
	keys_hash(KEYS_TOKEN, binary, size, &hash);
	memcpy(binary + size, &hash, 4);
	strcpy(text, prefix);
	sodium_bin2base64(text + 6, sizeof(text) - 6, binary, size + 4,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return token_decode(text, &token);
}

static void no_change(uint8_t *binary, size_t *size)
{
	(void)binary;
	(void)size;
}
static void other_version(uint8_t *binary, size_t *size)
{
	(void)size;
	binary[0] = 2;
}
static void trailing_byte(uint8_t *binary, size_t *size)
{
	binary[(*size)++] = 0xc0;
}
/* [1][94][c4 20 mesh 32][c4 20 seed 32][94][c4 20 author 32][cf stamp 8][c4 40 sig 64]... */
static void other_mesh(uint8_t *binary, size_t *size)
{
	struct id other = records_id(5);

	(void)size;
	memcpy(binary + 4, &other, 32);
}
static void other_seed(uint8_t *binary, size_t *size)
{
	(void)size;
	binary[38] ^= 1;
}
static void other_admin(uint8_t *binary, size_t *size)
{
	struct id other = records_id(5);

	(void)size;
	memcpy(binary + 73, &other, 32);
}
static void forged_grant(uint8_t *binary, size_t *size)
{
	(void)size;
	binary[120] ^= 1;
}
static void longer_life(uint8_t *binary, size_t *size)
{
	binary[*size - 64] ^= 1; /* in an endpoint: anything of the invite's value */
}

static void a_token_of_another_version_says_so(void **state)
{
	(void)state;
	char text[TOKEN_TEXT_MAX] = "mesh2_ZZZZZZZZZZZZZZZZZZZZ";
	struct token token;

	assert_int_equal(decode_changed(other_version, "mesh1_"), ERR_VERSION);
	assert_int_equal(decode_changed(other_version, "mesh2_"), ERR_VERSION);
	assert_int_equal(token_decode(text, &token), ERR_VERSION);
	/* nothing but the digit was changed: that is damage */
	assert_int_equal(decode_changed(no_change, "mesh2_"), ERR_DAMAGED);
}

static void a_token_made_up_is_refused_for_what_is_wrong_with_it(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(trailing_byte, "mesh1_"), ERR_MALFORMED);
	assert_int_equal(decode_changed(other_mesh, "mesh1_"), ERR_NOT_ADMIN);
	assert_int_equal(decode_changed(other_admin, "mesh1_"), ERR_NOT_ADMIN);
	assert_int_equal(decode_changed(forged_grant, "mesh1_"), ERR_NOT_ADMIN);
	assert_int_equal(decode_changed(other_seed, "mesh1_"), ERR_BAD_SIGNATURE);
	assert_int_equal(decode_changed(longer_life, "mesh1_"), ERR_BAD_SIGNATURE);
}

static void an_admins_token_is_the_roots_alone(void **state)
{
	(void)state;
	struct invite terms = usual_terms();
	char text[TOKEN_TEXT_MAX];
	struct token token;

	terms.admin = true;
	make_text(ADMIN, true, &terms, text);
	assert_int_equal(token_decode(text, &token), ERR_NOT_ADMIN);
}

static void what_does_not_belong_together_makes_no_token(void **state)
{
	(void)state;
	struct invite terms = usual_terms();
	char text[TOKEN_TEXT_MAX] = "";
	struct token token;

	make(&token, ADMIN, true, &terms);
	records_keys(INVITE + 1, &token.key);
	assert_int_equal(token_encode(&token, text), ERR_INVALID);
	token_done(&token);
	make(&token, ADMIN, false, &terms);
	token.grant = records_grant(2, records_at(1)); /* somebody else's */
	assert_int_equal(token_encode(&token, text), ERR_INVALID);
	token_done(&token);
	assert_string_equal(text, "");
}

static void a_used_token_leaves_no_secret_behind(void **state)
{
	(void)state;
	struct token token;
	static const struct keys wiped;

	make(&token, ADMIN, true, NULL);
	token_done(&token);
	assert_memory_equal(&token.key, &wiped, sizeof(wiped));
	token_done(&token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_records_are_rebuilt_bit_for_bit),
		cmocka_unit_test(a_usual_token_is_this_line),
		cmocka_unit_test(the_largest_invite_fits),
		cmocka_unit_test(a_token_that_replaces_a_node_is_short_enough),
		cmocka_unit_test(white_space_around_it_is_nothing),
		cmocka_unit_test(any_one_character_changed_is_damage),
		cmocka_unit_test(any_one_character_lost_or_doubled_is_damage),
		cmocka_unit_test(any_beginning_of_it_is_damage),
		cmocka_unit_test(what_is_no_token_is_refused),
		cmocka_unit_test(a_token_of_another_version_says_so),
		cmocka_unit_test(a_token_made_up_is_refused_for_what_is_wrong_with_it),
		cmocka_unit_test(an_admins_token_is_the_roots_alone),
		cmocka_unit_test(what_does_not_belong_together_makes_no_token),
		cmocka_unit_test(a_used_token_leaves_no_secret_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
