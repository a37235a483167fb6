/* Who is alive: what is said about it, byte by byte, and by whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/base/text.h"
#include "tests/support/solo.h"

static void check_statement(
	const struct statement *s, const uint8_t *head, size_t head_size, size_t total_size)
{
	uint8_t bytes[SWIM_STATEMENT_MAX], again[SWIM_STATEMENT_MAX];
	size_t size = solo_encode(s, bytes);
	struct statement back;

	assert_int_equal(size, total_size);
	assert_memory_equal(bytes, head, head_size);
	assert_int_equal(statement_decode(bytes, size, &back), 0);
	assert_int_equal(solo_encode(&back, again), size);
	assert_memory_equal(bytes, again, size);
	for (size_t less = 0; less < size; less++)
		assert_int_equal(statement_decode(bytes, less, &back), ERR_MALFORMED);
}

/* Computed by a second implementation in Python, signatures included. */
static const char golden_alive[] =
	"9501c4208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801"
	"b40f6f5ccd012c01c440578a1d2e88ec7b06c65480ff73ad61456d952d562d2b"
	"6aba8f68c01859961ebba2e1e690ae077348f2c44fa3111cb3812d3bdcafd998"
	"16f33ff837f028c07904";
static const char golden_suspect[] =
	"9702c4208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801"
	"b40f6f5ccd012c01c440578a1d2e88ec7b06c65480ff73ad61456d952d562d2b"
	"6aba8f68c01859961ebba2e1e690ae077348f2c44fa3111cb3812d3bdcafd998"
	"16f33ff837f028c07904c4208139770ea87d175f56a35466c34c7ecccb8d8a91"
	"b4ee37a25df60f5b8fc9b394c44099170b5d0a6081f601fa19a98240873a27a7"
	"c47530d5e76a689491213503017345e2b515d06938b250fd9fc8bb887adc144c"
	"ac5a5002cbd15b28903aed9d3508";

static void check_golden(const struct statement *s, const char *golden)
{
	uint8_t bytes[SWIM_STATEMENT_MAX];
	char text[2 * SWIM_STATEMENT_MAX + 1];
	size_t size = solo_encode(s, bytes);

	assert_string_equal(text_hex(bytes, size, text), golden);
}

static void a_statement_is_fixed(void **state)
{
	(void)state;
	struct keys mesh, subject, accuser;
	uint8_t seed[32];

	keys_from_seed(memset(seed, 9, sizeof(seed)), &mesh);
	keys_from_seed(memset(seed, 1, sizeof(seed)), &subject);
	keys_from_seed(memset(seed, 2, sizeof(seed)), &accuser);
	struct statement s = {.kind = STATEMENT_ALIVE,
		.subject = subject.id,
		.incarnation = {300, 1},
		.accuser = accuser.id};

	statement_sign_alive(&s, &mesh.id, &subject);
	check_golden(&s, golden_alive);
	s.kind = STATEMENT_SUSPECT;
	statement_sign_suspect(&s, &mesh.id, &accuser);
	check_golden(&s, golden_suspect);
}

static void the_bytes_are_those_of_the_protocol(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 0);
	struct statement s = solo_alive(&w, &w.peers[0], 300, 1);
	static const uint8_t alive_head[] = {0x95, 1, 0xc4, 32};
	check_statement(&s, alive_head, sizeof(alive_head), 4 + 32 + 3 + 1 + 66);
	s = solo_suspect(&w, &w.peers[0], UINT64_MAX, UINT64_MAX, &w.peers[1]);
	static const uint8_t suspect_head[] = {0x97, 2, 0xc4, 32};
	check_statement(&s, suspect_head, sizeof(suspect_head), SWIM_STATEMENT_MAX);

	/* what is signed: [mesh, subject, generation, version], then the accuser */
	struct statement other = s;
	other.incarnation.version--;
	assert_int_equal(statement_verify_alive(&s, &w.mesh), 0);
	assert_int_equal(statement_verify_suspect(&s, &w.mesh), 0);
	assert_int_equal(statement_verify_alive(&other, &w.mesh), ERR_BAD_SIGNATURE);
	assert_int_equal(statement_verify_suspect(&other, &w.mesh), ERR_BAD_SIGNATURE);
	assert_int_equal(statement_verify_suspect(&s, &w.self.id), ERR_BAD_SIGNATURE);
	uint8_t bytes[160];
	struct pack out;
	pack_init(&out, bytes, sizeof(bytes));
	pack_put_array(&out, 4);
	pack_put_bin(&out, &w.mesh, 32);
	pack_put_bin(&out, &s.subject, 32);
	pack_put_uint(&out, UINT64_MAX);
	pack_put_uint(&out, UINT64_MAX);
	assert_int_equal(keys_verify(&s.subject, KEYS_ALIVE, bytes, out.size, &s.alive), 0);
	solo_done(&w);
}

static void a_damaged_statement_changes_nothing(void **state)
{
	(void)state;
	struct solo w;
	uint8_t bytes[SWIM_STATEMENT_MAX];

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	struct statement s = solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]);
	size_t size = solo_encode(&s, bytes);
	for (size_t at = 0; at < size; at++) {
		bool news;

		bytes[at] ^= 1;
		int err = swim_statement_received(w.swim, w.now, bytes, size, &news);
		/* an earlier incarnation is not even looked at; all else is refused */
		if (err == 0)
			assert_false(news);
		bytes[at] ^= 1;
		solo_expect_state(&w, 0, SWIM_ALIVE);
	}
	bool news;
	assert_int_equal(
		swim_statement_received(w.swim, w.now, bytes, size - 1, &news), ERR_MALFORMED);
	assert_int_equal(swim_statement_received(w.swim, w.now, "", 0, &news), ERR_MALFORMED);
	assert_int_equal(solo_news_waiting(&w), 1); /* our own */
	solo_done(&w);
}

static void only_members_speak_and_are_spoken_of(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 2);
	solo_introduce(&w, 2);
	const struct keys *a = &w.peers[0], *b = &w.peers[1];
	assert_int_equal(solo_receive(&w, solo_alive(&w, &w.stranger, 1, 1), &news), ERR_UNKNOWN);
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, &w.stranger, 1, 1, b), &news), ERR_UNKNOWN);
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, a, SOLO_GENERATION, 0, &w.stranger), &news),
		ERR_UNKNOWN);
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.stranger), &news),
		ERR_UNKNOWN);
	solo_expect_state(&w, 0, SWIM_ALIVE);

	/* nobody speaks for another: signed by the wrong member */
	struct statement forged = solo_suspect(&w, a, SOLO_GENERATION, 0, b);
	statement_sign_suspect(&forged, &w.mesh, &w.stranger);
	assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	forged = solo_alive(&w, a, SOLO_GENERATION, 9);
	statement_sign_alive(&forged, &w.mesh, b);
	assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	/* nor from one mesh into another */
	struct id mesh = w.mesh;
	w.mesh = w.stranger.id;
	forged = solo_alive(&w, a, SOLO_GENERATION, 9);
	w.mesh = mesh;
	assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	/* nor does anybody accuse itself, or start with generation 0 */
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, a, SOLO_GENERATION, 0, a), &news), ERR_MALFORMED);
	assert_int_equal(solo_receive(&w, solo_alive(&w, a, 0, 5), &news), ERR_MALFORMED);
	solo_done(&w);
}

static void an_incarnation_that_was_never_issued_cannot_be_accused(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 2);
	solo_introduce(&w, 2);
	/* no refutation could exceed this version: without the subject's own signature it is void
	 */
	struct statement s = solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]);
	s.incarnation.version = UINT64_MAX;
	statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
	assert_int_equal(solo_receive(&w, s, &news), ERR_BAD_SIGNATURE);
	s.subject = w.self.id;
	statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
	assert_int_equal(solo_receive(&w, s, &news), ERR_BAD_SIGNATURE);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	assert_true(swim_incarnation(w.swim).version == 0);
	solo_done(&w);
}

/* Only those whom ours is measured against believe what another says of a death. */
static void a_death_is_nobodys_to_tell(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	for (int i = 0; i < 3; i++) {
		static const struct swim_mechanisms *const all[] = {
			&swim_mesh, &swim_lifeguard, &swim_classic};
		bool believes = all[i]->believes;

		solo_init_as(&w, 3, all[i]);
		solo_introduce(&w, 3);
		struct statement s = solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]);
		s.kind = STATEMENT_DEAD;
		assert_int_equal(statement_verify_suspect(&s, &w.mesh), ERR_BAD_SIGNATURE);
		statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
		assert_int_equal(solo_receive(&w, s, &news), believes ? 0 : ERR_MALFORMED);
		solo_expect_state(&w, 0, believes ? SWIM_DEAD : SWIM_ALIVE);
		/* its own word brings it back */
		solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
		solo_expect_state(&w, 0, SWIM_ALIVE);
		/* and so does ours bring us */
		s = solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.peers[1]);
		s.kind = STATEMENT_DEAD;
		statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
		assert_int_equal(solo_receive(&w, s, &news), believes ? 0 : ERR_MALFORMED);
		assert_true(swim_incarnation(w.swim).version == believes);
		solo_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_statement_is_fixed),
		cmocka_unit_test(the_bytes_are_those_of_the_protocol),
		cmocka_unit_test(a_damaged_statement_changes_nothing),
		cmocka_unit_test(only_members_speak_and_are_spoken_of),
		cmocka_unit_test(an_incarnation_that_was_never_issued_cannot_be_accused),
		cmocka_unit_test(a_death_is_nobodys_to_tell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
