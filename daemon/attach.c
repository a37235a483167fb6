#include "daemon/attach.h"

#include <stdlib.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "gossip/base/text.h"

#define ATTACHMENTS_MAX DESCRIPTOR_SEGMENTS_MAX

_Static_assert(ATTACH_ADDRESSES_MAX *TEXT_PREFIX_SIZE <= STATE_WORDS_SIZE, "addresses");
_Static_assert(ATTACH_PORTS_MAX *NET_NAME_SIZE <= STATE_WORDS_SIZE, "ports");

struct attachments {
	size_t count;
	struct attach items[ATTACHMENTS_MAX];
};

/* ---- words ---- */

static void add_word(char *list, const char *word)
{
	size_t used = strlen(list);

	if (used)
		list[used++] = ' ';
	strcpy(list + used, word);
}

static void list_addresses(const struct attach *attach, char ret[STATE_WORDS_SIZE])
{
	char text[TEXT_PREFIX_SIZE];

	*ret = '\0';
	for (size_t i = 0; i < attach->address_count; i++)
		add_word(ret, text_prefix(&attach->addresses[i], text));
}

static void list_ports(const struct attach *attach, char ret[STATE_WORDS_SIZE])
{
	*ret = '\0';
	for (size_t i = 0; i < attach->port_count; i++)
		add_word(ret, attach->ports[i]);
}

void attach_words(const struct attach *attach, char ret_addresses[STATE_WORDS_SIZE],
	char ret_ports[STATE_WORDS_SIZE])
{
	list_addresses(attach, ret_addresses);
	list_ports(attach, ret_ports);
}

static void take_address(struct attach *attach, const char *word)
{
	if (attach->address_count == ATTACH_ADDRESSES_MAX ||
		text_parse_prefix(word, true, &attach->addresses[attach->address_count]) != 0)
		log_warn("%s: `%s` is no address for %s and is passed over", STATE_NAME, word,
			attach->segment);
	else
		attach->address_count++;
}

static void take_port(struct attach *attach, const char *word)
{
	if (attach->port_count == ATTACH_PORTS_MAX || strlen(word) >= NET_NAME_SIZE)
		log_warn("%s: `%s` is no port for %s and is passed over", STATE_NAME, word,
			attach->segment);
	else
		strcpy(attach->ports[attach->port_count++], word);
}

static void each_word(
	const char *list, struct attach *attach, void (*take)(struct attach *, const char *))
{
	char copy[STATE_WORDS_SIZE], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", list);
	while ((word = strsep(&rest, " "))) {
		if (*word)
			take(attach, word);
	}
}

/* ---- the table ---- */

static struct attach *find(const struct daemon *daemon, const char *segment)
{
	struct attachments *all = daemon->attachments;

	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->items[i].segment, segment) == 0)
			return &all->items[i];
	}
	return NULL;
}

const struct attach *attach_find(const struct daemon *daemon, const char *segment)
{
	return find(daemon, segment);
}

const struct attach *attach_at(const struct daemon *daemon, size_t index)
{
	const struct attachments *all = daemon->attachments;

	return index < all->count ? &all->items[index] : NULL;
}

void attach_take(
	struct daemon *daemon, const char *segment, const char *addresses, const char *ports)
{
	struct attachments *all = daemon->attachments;
	struct attach *attach;

	if (all->count == ATTACHMENTS_MAX)
		return;
	attach = &all->items[all->count++];
	*attach = (struct attach){0};
	snprintf(attach->segment, sizeof(attach->segment), "%s", segment);
	each_word(addresses, attach, take_address);
	each_word(ports, attach, take_port);
}

static void load_one(void *arg, const char *segment, const char *addresses, const char *ports)
{
	attach_take(arg, segment, addresses, ports);
}

int attach_load(struct daemon *daemon)
{
	daemon->attachments = calloc(1, sizeof(*daemon->attachments));
	if (!daemon->attachments)
		return ERR_NOMEM;
	if (state_each_attachment(daemon->state, load_one, daemon))
		log_warn("%s: what this node has on its segments cannot be read", STATE_NAME);
	return 0;
}

/* A ticket behind all that the core has given out, and what it has given out is with the storage
 * thread: so that what the ticket says is true. */
static uint64_t next_ticket(struct daemon *daemon)
{
	loop_drain(daemon);
	return gossip_ticket(daemon->gossip);
}

int attach_put(struct daemon *daemon, const struct attach *attach, uint64_t *ret_ticket)
{
	struct attachments *all = daemon->attachments;
	struct attach *entry = find(daemon, attach->segment);
	char addresses[STATE_WORDS_SIZE], ports[STATE_WORDS_SIZE];
	uint64_t ticket;
	int err;

	if (!entry && all->count == ATTACHMENTS_MAX)
		return ERR_LIMIT;
	attach_words(attach, addresses, ports);
	ticket = next_ticket(daemon);
	err = state_put_attachment(daemon->state, ticket, attach->segment, addresses, ports);
	if (err)
		return err;
	if (!entry)
		entry = &all->items[all->count++];
	*entry = *attach;
	*ret_ticket = ticket;
	return 0;
}

int attach_remove(struct daemon *daemon, const char *segment, uint64_t *ret_ticket)
{
	struct attachments *all = daemon->attachments;
	struct attach *entry = find(daemon, segment);
	uint64_t ticket = next_ticket(daemon);
	int err = state_remove_attachment(daemon->state, ticket, segment);

	if (err)
		return err;
	if (entry)
		*entry = all->items[--all->count];
	*ret_ticket = ticket;
	return 0;
}

/* ---- the part ---- */

/* A segment that was deleted is forgotten here as it is by the core. */
static void forget_deleted(struct daemon *daemon)
{
	struct attachments *all = daemon->attachments;

	for (size_t i = all->count; i-- > 0;) {
		struct attach *attach = &all->items[i];

		if (gossip_segment_is_wanted(daemon->gossip, attach->segment))
			continue;
		if (state_remove_attachment(daemon->state, 0, attach->segment))
			continue;
		*attach = all->items[--all->count];
	}
}

static void changed(struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	/* The database of a node that belongs to no mesh is emptied as a whole. */
	if (status.state == GOSSIP_UNJOINED)
		daemon->attachments->count = 0;
	else if (status.state == GOSSIP_RUNNING)
		forget_deleted(daemon);
}

static int start(struct daemon *daemon)
{
	changed(daemon);
	return 0;
}

static void attach_free(struct daemon *daemon)
{
	free(daemon->attachments);
	daemon->attachments = NULL;
}

const struct daemon_part attach_part = {
	.name = "attachments",
	.start = start,
	.changed = changed,
	.free = attach_free,
};
