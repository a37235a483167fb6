/*
 * What stories about authority say: a set of records that grows, and what comes of it. Each program
 * has a set of its own. Node n's admission is by invite 100 + n unless said otherwise; node 1
 * founded the mesh and is its first admin.
 */
#ifndef MESHD_TESTS_SUPPORT_AUTHORITY_STORY_H
#define MESHD_TESTS_SUPPORT_AUTHORITY_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/records.h"

#define FOUNDER 1

static struct records_set set;
static struct authority *authority;

static int64_t now_s = 60;

static inline void look(void)
{
	authority_free(authority);
	authority = NULL;
	assert_int_equal(records_compute((const struct record *const *)set.records, set.count,
				 RECORDS_START_MS + now_s * INT64_C(1000), &authority),
		0);
}

static inline void add(struct record *record)
{
	records_add(&set, record);
}

static inline int setup(void **state)
{
	(void)state;
	add(records_charter(records_at(0)));
	add(records_grant(FOUNDER, records_at(0)));
	add(records_member(FOUNDER, FOUNDER, 100 + FOUNDER, FOUNDER, records_at(1)));
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	authority_free(authority);
	authority = NULL;
	records_set_done(&set);
	now_s = 60;
	return 0;
}

static inline void admit(unsigned admin, unsigned node, unsigned seconds)
{
	add(records_member(admin, node, 100 + node, admin, records_at(seconds)));
}

/* An invite with so many uses; returns its record. */
static inline struct record *invite(unsigned author, unsigned number, uint32_t uses)
{
	return records_add(&set,
		records_invite(author, number, records_at(2), &(struct invite){.uses = uses}));
}

/* A node admitted with an invite of many uses. */
static inline void use(
	struct record *invite_record, unsigned number, unsigned node, unsigned seconds)
{
	add(records_admission(node, NULL, number, invite_record, FOUNDER, records_at(seconds)));
}

static inline void make_admin(unsigned node, unsigned seconds)
{
	admit(FOUNDER, node, seconds);
	add(records_grant(node, records_at(seconds)));
}

static inline const struct authority_member *member(unsigned node)
{
	struct id id = records_id(node);

	return authority_member(authority, &id);
}

static inline void expect(unsigned node, enum authority_standing standing, int why)
{
	const struct authority_member *found = member(node);

	assert_non_null(found);
	assert_int_equal(found->standing, standing);
	assert_int_equal(found->why, why);
	assert_true((standing == AUTHORITY_MEMBER) <= (found->ended_by == NULL));
}

static inline void expect_member(unsigned node)
{
	expect(node, AUTHORITY_MEMBER, 0);
}

static inline bool is_admin(unsigned node)
{
	struct id id = records_id(node);

	return authority_is_admin(authority, &id);
}

static inline enum authority_invite_state invite_state(unsigned number, uint32_t used)
{
	struct id id = records_id(number);
	const struct authority_invite *found = authority_invite(authority, &id);

	assert_non_null(found);
	assert_int_equal(found->used, used);
	return found->state;
}

/* A closing of an invite by an admin, listing up to two nodes (0: none). */
static inline void close_invite(
	unsigned admin, unsigned number, unsigned keep1, unsigned keep2, unsigned seconds)
{
	const struct revocation terms = {.subject = records_id(number)};
	struct id keep[2] = {records_id(keep1), records_id(keep2)};

	add(records_revocation(admin, RECORD_CLOSING, records_at(seconds), &terms, keep,
		(keep1 != 0) + (keep2 != 0)));
}

static inline void expel_admin(unsigned node, const struct record *kept, unsigned seconds)
{
	const struct revocation terms = {.subject = records_id(node)};

	add(records_revocation(RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(seconds), &terms,
		kept ? &kept->hash : NULL, kept != NULL));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
