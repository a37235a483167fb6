#include "gossip/swim/member.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/swim/accusation.h"
#include "gossip/swim/state.h"
#include "gossip/swim/suspicion.h"

#define ORDER_START 16

_Static_assert(sizeof(struct member) <= 256, "a node of a large mesh has thousands");

void members_init(struct swim *swim)
{
	swim->members = (struct members){.capacity = 0};
	map_init(&swim->members.by_id, sizeof(struct id), swim->config.rng);
}

static void free_member(struct member *member)
{
	free(member->accusations);
	free(member);
}

void members_done(struct swim *swim)
{
	struct member *member;

	map_each (&swim->members.by_id, at, member)
		free_member(member);
	map_done(&swim->members.by_id);
	free(swim->members.order);
}

struct member *member_find(const struct swim *swim, const struct id *id)
{
	return map_get(&swim->members.by_id, id);
}

size_t member_count(const struct swim *swim)
{
	return swim->members.by_id.count;
}

static int reserve(struct members *members, size_t count)
{
	size_t capacity = members->capacity ? members->capacity * 2 : ORDER_START;
	struct member **order;

	if (count <= members->capacity)
		return 0;
	order = realloc(members->order, capacity * sizeof(*order));
	if (!order)
		return ERR_NOMEM;
	members->order = order;
	members->capacity = capacity;
	return 0;
}

static void place(struct members *members, struct member *member, size_t index)
{
	members->order[index] = member;
	member->index = (uint32_t)index;
}

static void swap(struct members *members, size_t a, size_t b)
{
	struct member *was_a = members->order[a];

	place(members, members->order[b], a);
	place(members, was_a, b);
}

static void list_append(struct member_list *list, struct member *member)
{
	member->previous = list->last;
	member->next = NULL;
	*(list->last ? &list->last->next : &list->first) = member;
	list->last = member;
}

static void list_take(struct member_list *list, struct member *member)
{
	*(member->previous ? &member->previous->next : &list->first) = member->next;
	*(member->next ? &member->next->previous : &list->last) = member->previous;
}

struct member *member_rotate(struct member_list *list)
{
	struct member *member = list->first;

	if (member) {
		list_take(list, member);
		list_append(list, member);
	}
	return member;
}

static void enlist(struct swim *swim, struct member *member)
{
	swim->members.in_state[member->state]++;
	if (member->state != SWIM_ALIVE)
		list_append(&swim->members.lists[member->state], member);
}

static void delist(struct swim *swim, struct member *member)
{
	swim->members.in_state[member->state]--;
	if (member->state != SWIM_ALIVE)
		list_take(&swim->members.lists[member->state], member);
}

int member_add(struct swim *swim, mtime_t now, const struct id *id, struct member **ret)
{
	struct members *members = &swim->members;
	size_t count = member_count(swim);
	struct member *member;

	if (count >= SWIM_MEMBERS_MAX)
		return ERR_LIMIT;
	member = malloc(sizeof(*member));
	if (!member)
		return ERR_NOMEM;
	*member = (struct member){.id = *id,
		.state = SWIM_ALIVE,
		.since = now,
		.greet = true,
		.rtt_us = -1,
		.calls = swim->health.calls};
	if (reserve(members, count + 1) != 0 ||
		map_put(&members->by_id, &member->id, member) != 0) {
		free(member);
		return ERR_NOMEM;
	}
	place(members, member, count);
	swap(members, count,
		members->cursor + rng_below(swim->config.rng, count + 1 - members->cursor));
	enlist(swim, member);
	ring_add(swim, member);
	*ret = member;
	return 0;
}

void member_remove(struct swim *swim, struct member *member)
{
	struct members *members = &swim->members;
	size_t last = member_count(swim) - 1;

	accusation_forget(swim, member);
	/* those that had their turn stay in front of those that did not */
	if (member->index < members->cursor)
		swap(members, member->index, --members->cursor);
	swap(members, member->index, last);
	delist(swim, member);
	probe_forget(swim, member);
	map_del(&members->by_id, &member->id);
	ring_lost(swim, member);
	free_member(member);
}

static void shuffle(struct swim *swim)
{
	for (size_t i = member_count(swim); i > 1; i--)
		swap(&swim->members, i - 1, rng_below(swim->config.rng, i));
	swim->members.cursor = 0;
}

struct member *member_next(struct swim *swim)
{
	struct members *members = &swim->members;

	if (members->in_state[SWIM_DEAD] == member_count(swim))
		return NULL;
	for (;;) {
		if (members->cursor >= member_count(swim))
			shuffle(swim);
		struct member *member = members->order[members->cursor++];

		if (member->state != SWIM_DEAD)
			return member;
	}
}

struct member *member_random(struct swim *swim)
{
	size_t count = member_count(swim);

	return count ? swim->members.order[rng_below(swim->config.rng, count)] : NULL;
}

struct member *member_after(const struct swim *swim, const struct member *member)
{
	return swim->members.order[(member->index + 1) % member_count(swim)];
}

static void enter(struct swim *swim, mtime_t now, struct member *member)
{
	switch (member->state) {
	case SWIM_ALIVE:
		member->failures = 0;
		member->is_silent = false;
		accusation_forget(swim, member);
		break;
	case SWIM_SUSPECT:
		member->suspected = now;
		member->again = MTIME_NEVER;
		suspicion_schedule(swim, member);
		break;
	case SWIM_DEAD:
		member->redial_ms = 0;
		probe_redial_later(swim, now, member);
		/* whoever comes back from there may have lost what it knew */
		probe_greet(swim, member);
		break;
	}
}

static void count(struct swim *swim, enum swim_state from, enum swim_state to)
{
	switch (to) {
	case SWIM_ALIVE:
		swim->counters[from == SWIM_DEAD ? SWIM_COUNT_REVIVALS
						 : SWIM_COUNT_SUSPICIONS_REFUTED]++;
		break;
	case SWIM_SUSPECT:
		swim->counters[SWIM_COUNT_SUSPICIONS]++;
		break;
	case SWIM_DEAD:
		swim->counters[SWIM_COUNT_DEATHS]++;
		break;
	}
}

static void change_state(struct swim *swim, mtime_t now, struct member *member, enum swim_state to,
	const char *cause)
{
	struct swim_change change = {
		.id = member->id, .from = member->state, .to = to, .cause = cause};

	count(swim, member->state, to);
	delist(swim, member);
	member->state = to;
	member->since = now;
	enlist(swim, member);
	if (to == SWIM_DEAD)
		ring_lost(swim, member);
	else if (change.from == SWIM_DEAD)
		ring_add(swim, member);
	enter(swim, now, member);
	queue_change(&swim->changes, &change);
}

static void alive_event(
	struct swim *swim, mtime_t now, struct member *member, enum member_event event)
{
	switch (event) {
	case MEMBER_FAILED:
		change_state(swim, now, member, SWIM_SUSPECT, "probe timeout");
		break;
	case MEMBER_ACCUSED:
		change_state(swim, now, member, SWIM_SUSPECT, "accused by another member");
		break;
	case MEMBER_TOLD:
		change_state(swim, now, member, SWIM_DEAD, "told by another member");
		break;
	case MEMBER_HEARD:
	case MEMBER_REFUTED:
	case MEMBER_RESTARTED:
	case MEMBER_CLEARED:
	case MEMBER_EXPIRED:
		break;
	}
}

static void suspect_event(
	struct swim *swim, mtime_t now, struct member *member, enum member_event event)
{
	switch (event) {
	case MEMBER_HEARD:
		if (!member->accusation_count)
			change_state(swim, now, member, SWIM_ALIVE, "heard from");
		break;
	case MEMBER_REFUTED:
		change_state(swim, now, member, SWIM_ALIVE, "refuted");
		break;
	case MEMBER_RESTARTED:
		change_state(swim, now, member, SWIM_ALIVE, "restarted");
		break;
	case MEMBER_CLEARED:
		if (!member->accusation_count)
			change_state(swim, now, member, SWIM_ALIVE, "cleared");
		break;
	case MEMBER_EXPIRED:
		change_state(swim, now, member, SWIM_DEAD, "suspicion ran out");
		break;
	case MEMBER_TOLD:
		change_state(swim, now, member, SWIM_DEAD, "told by another member");
		break;
	case MEMBER_FAILED:
	case MEMBER_ACCUSED:
		break;
	}
}

static void dead_event(
	struct swim *swim, mtime_t now, struct member *member, enum member_event event)
{
	switch (event) {
	case MEMBER_HEARD:
		if (!member->accusation_count)
			change_state(swim, now, member, SWIM_ALIVE, "heard from");
		break;
	case MEMBER_REFUTED:
		change_state(swim, now, member, SWIM_ALIVE, "refuted");
		break;
	case MEMBER_RESTARTED:
		change_state(swim, now, member, SWIM_ALIVE, "restarted");
		break;
	case MEMBER_FAILED:
	case MEMBER_ACCUSED:
	case MEMBER_CLEARED:
	case MEMBER_EXPIRED:
	case MEMBER_TOLD:
		break;
	}
}

void member_event(struct swim *swim, mtime_t now, struct member *member, enum member_event event)
{
	switch (member->state) {
	case SWIM_ALIVE:
		alive_event(swim, now, member, event);
		break;
	case SWIM_SUSPECT:
		suspect_event(swim, now, member, event);
		break;
	case SWIM_DEAD:
		dead_event(swim, now, member, event);
		break;
	}
}

void member_adopt(struct swim *swim, mtime_t now, struct member *member,
	const struct swim_incarnation *incarnation, const struct sig *alive)
{
	uint64_t known = member->incarnation.generation;
	bool restarted = known && incarnation->generation != known;

	assert(state_compare(incarnation, &member->incarnation) > 0);
	member->incarnation = *incarnation;
	member->alive = *alive;
	(void)mtime_allows(&member->renew, now, SWIM_RENEW_MS, SWIM_RENEW_BURST);
	if (restarted)
		probe_greet(swim, member);
	member_event(swim, now, member, restarted ? MEMBER_RESTARTED : MEMBER_REFUTED);
}
