#include "daemon/events.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gossip/base/pack.h"
#include "gossip/base/text.h"

#define RING_FIRST 64 /* entries to begin with; it doubles up to EVENTS_MAX */

struct entry {
	uint16_t size;
	uint8_t bytes[];
};

struct events {
	struct entry **ring; /* event number n is at n % capacity; NULL: was lost */
	size_t capacity, count;
	uint64_t end; /* the next one's number */
	struct events_follower *followers;
	struct {
		const char *label; /* NULL: none, and none behind it */
		uint64_t count;
	} kinds[EVENTS_KINDS_MAX];
};

int events_new(struct events **ret)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return ERR_NOMEM;
	*ret = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	assert(!events->followers);
	for (size_t i = 0; i < events->capacity; i++)
		free(events->ring[i]);
	free(events->ring);
	free(events);
}

static bool grow(struct events *events)
{
	size_t capacity = events->capacity ? events->capacity * 2 : RING_FIRST;
	struct entry **ring;

	if (capacity > EVENTS_MAX)
		capacity = EVENTS_MAX;
	ring = calloc(capacity, sizeof(struct entry *));
	if (!ring)
		return false;
	for (uint64_t n = events->end - events->count; n < events->end; n++)
		ring[n % capacity] = events->ring[n % events->capacity];
	free(events->ring);
	events->ring = ring;
	events->capacity = capacity;
	return true;
}

/* RFC 3339 with microseconds. */
static void put_time(struct pack *pack, int64_t wall_us)
{
	char text[TEXT_TIME_SIZE];
	time_t seconds = wall_us / 1000000;
	struct tm tm;
	size_t used;

	gmtime_r(&seconds, &tm);
	used = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + used, sizeof(text) - used, ".%06dZ", (int)(wall_us % 1000000));
	pack_put_str(pack, "time");
	pack_put_str(pack, text);
}

static void put_text(struct pack *pack, const char *field, const char *text)
{
	if (!text || !*text)
		return;
	pack_put_str(pack, field);
	pack_put_str(pack, text);
}

static bool there(const char *text)
{
	return text && *text;
}

static void encode(struct pack *pack, const struct event *event)
{
	char id[TEXT_ID_SIZE];

	pack_put_map(pack, 2u + (event->node != NULL) + there(event->segment) + there(event->what) +
				   there(event->mac) + there(event->from) + there(event->to) +
				   there(event->cause) + (event->by != NULL));
	put_time(pack, event->wall_us);
	put_text(pack, "event", event->label);
	if (event->node) {
		pack_put_str(pack, "node");
		pack_put_map(pack, 2);
		put_text(pack, "id", text_id(event->node, id));
		pack_put_str(pack, "name");
		pack_put_str(pack, event->name ? event->name : "");
	}
	put_text(pack, "segment", event->segment);
	put_text(pack, "what", event->what);
	put_text(pack, "mac", event->mac);
	put_text(pack, "from", event->from);
	put_text(pack, "to", event->to);
	put_text(pack, "cause", event->cause);
	if (event->by)
		put_text(pack, "by", text_id(event->by, id));
}

static void count_kind(struct events *events, const char *label)
{
	for (size_t i = 0; i < EVENTS_KINDS_MAX; i++) {
		if (events->kinds[i].label && strcmp(events->kinds[i].label, label) != 0)
			continue;
		events->kinds[i].label = label;
		events->kinds[i].count++;
		return;
	}
}

uint64_t events_count(const struct events *events, const char *label)
{
	for (size_t i = 0; i < EVENTS_KINDS_MAX && events->kinds[i].label; i++) {
		if (strcmp(events->kinds[i].label, label) == 0)
			return events->kinds[i].count;
	}
	return 0;
}

void events_add(struct events *events, const struct event *event)
{
	uint8_t bytes[EVENTS_ENTRY_SIZE];
	struct entry *entry = NULL;
	struct pack pack;

	count_kind(events, event->label);
	pack_init(&pack, bytes, sizeof(bytes));
	encode(&pack, event);
	if (events->count == events->capacity && events->capacity < EVENTS_MAX && !grow(events) &&
		!events->capacity)
		return;
	if (!pack_status(&pack))
		entry = malloc(sizeof(*entry) + pack.size);
	if (entry) {
		entry->size = (uint16_t)pack.size;
		memcpy(entry->bytes, bytes, pack.size);
	}
	if (events->count == events->capacity)
		free(events->ring[events->end % events->capacity]);
	else
		events->count++;
	events->ring[events->end++ % events->capacity] = entry;
	for (struct events_follower *f = events->followers; f; f = f->next)
		f->added(f);
}

uint64_t events_end(const struct events *events)
{
	return events->end;
}

bool events_next(
	const struct events *events, uint64_t *number, const uint8_t **ret_bytes, size_t *ret_size)
{
	uint64_t n = *number, first = events->end - events->count;

	for (n = n < first ? first : n; n < events->end; n++) {
		const struct entry *entry = events->ring[n % events->capacity];

		if (!entry)
			continue;
		*number = n + 1;
		*ret_bytes = entry->bytes;
		*ret_size = entry->size;
		return true;
	}
	return false;
}

void events_follow(struct events *events, struct events_follower *follower)
{
	follower->next = events->followers;
	events->followers = follower;
}

void events_unfollow(struct events *events, struct events_follower *follower)
{
	for (struct events_follower **at = &events->followers; *at; at = &(*at)->next) {
		if (*at == follower) {
			*at = follower->next;
			return;
		}
	}
}
