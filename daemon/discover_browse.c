#include <sodium.h>

#include "daemon/discover_mdns_internal.h"

/* Asked for at a time; and those of this mesh that stay, to tell of other addresses. Together far
 * below avahi-daemon's 1,024 objects of a client. */
#define RESOLVERS_MAX	     16
#define RESOLVERS_KEPT_MAX   128
/* Between two of an instance that gave no answer. */
#define RESOLVE_RETRY_MS     5000
#define RESOLVE_RETRY_MAX_MS 60000
/* After somebody was displaced all is browsed anew, so that everybody's turn comes. */
#define BROWSE_AGAIN_MS	     60000

static AvahiProtocol protocol_of(uint8_t family)
{
	return family == 4 ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6;
}

static void drop_resolver(struct discover_thread *thread, struct discover_row *row)
{
	if (!row->resolver)
		return;
	avahi_service_resolver_free(row->resolver);
	row->resolver = NULL;
	thread->resolvers--;
}

static void drop_row(struct discover_thread *thread, struct discover_row *row)
{
	drop_resolver(thread, row);
	discover_table_remove(&thread->table, row);
	thread->table_changed = true;
}

/* ---- who is there ---- */

static bool is_own(const struct discover_thread *thread, const char *instance)
{
	for (size_t i = 0; i < thread->speaker_count; i++) {
		if (strcmp(thread->speakers[i].instance, instance) == 0)
			return true;
	}
	return false;
}

static void appeared(struct discover_thread *thread, uint32_t ifindex, uint8_t family,
	const char *instance, mtime_t now)
{
	struct discover_row *row;

	/* this node, by way of another interface on the same LAN, is nobody else */
	if (is_own(thread, instance) ||
		discover_table_find(&thread->table, instance, ifindex, family))
		return;
	row = discover_table_room(&thread->table, randombytes_random());
	drop_resolver(thread, row);
	if (row->used)
		thread->browse_again =
			mtime_min(thread->browse_again, mtime_add_ms(now, BROWSE_AGAIN_MS));
	if (discover_table_put(&thread->table, row, instance, ifindex, family) == 0)
		row->next = now;
	thread->table_changed = true;
}

static void browsed(AvahiServiceBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol,
	AvahiBrowserEvent event, const char *name, const char *type, const char *domain,
	AvahiLookupResultFlags flags, void *arg)
{
	struct discover_thread *thread = arg;
	uint8_t family = protocol == AVAHI_PROTO_INET ? 4 : 6;
	struct discover_row *row;

	(void)type;
	(void)domain;
	if (event == AVAHI_BROWSER_FAILURE) {
		for (size_t i = 0; i < thread->speaker_count; i++) {
			/* it is freed where that is safe: at the next turn */
			if (thread->speakers[i].browser == browser)
				thread->speakers[i].browser_failed = true;
		}
		discover_mdns_refused(thread, "look for others",
			avahi_client_errno(avahi_service_browser_get_client(browser)));
	} else if (event == AVAHI_BROWSER_NEW && !(flags & AVAHI_LOOKUP_RESULT_OUR_OWN)) {
		appeared(thread, (uint32_t)ifindex, family, name, discover_mdns_now());
	} else if (event == AVAHI_BROWSER_REMOVE) {
		row = discover_table_find(&thread->table, name, (uint32_t)ifindex, family);
		if (row)
			drop_row(thread, row);
	}
}

static void browse(struct discover_thread *thread, struct discover_speaker *speaker)
{
	speaker->browser_failed = false;
	speaker->browser =
		avahi_service_browser_new(thread->client, (AvahiIfIndex)speaker->link.ifindex,
			AVAHI_PROTO_UNSPEC, DISCOVER_SERVICE, NULL, 0, browsed, thread);
	if (!speaker->browser)
		discover_mdns_refused(
			thread, "look for others", avahi_client_errno(thread->client));
}

static void stop_browsing(struct discover_speaker *speaker)
{
	if (speaker->browser)
		avahi_service_browser_free(speaker->browser);
	speaker->browser = NULL;
}

void discover_browse_end(struct discover_thread *thread, struct discover_speaker *speaker)
{
	stop_browsing(speaker);
	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++) {
		struct discover_row *row = &thread->table.rows[i];

		if (row->used && row->ifindex == speaker->link.ifindex)
			drop_row(thread, row);
	}
}

/* ---- where, and what it says ---- */

static void take_address(
	struct discover_row *row, AvahiIfIndex ifindex, const AvahiAddress *address, uint16_t port)
{
	struct endpoint *endpoint = &row->endpoint;

	*endpoint = (struct endpoint){.port = port};
	if (address->proto == AVAHI_PROTO_INET) {
		endpoint->ip.family = 4;
		memcpy(endpoint->ip.b, &address->data.ipv4, 4);
	} else {
		endpoint->ip.family = 6;
		memcpy(endpoint->ip.b, &address->data.ipv6, 16);
		if (endpoint->ip.b[0] == 0xfe && (endpoint->ip.b[1] & 0xc0) == 0x80)
			endpoint->scope = (uint32_t)ifindex;
	}
}

static int take_txt(struct discover_row *row, AvahiStringList *list)
{
	uint8_t bytes[DISCOVER_TXT_MAX];
	size_t size = avahi_string_list_serialize(list, NULL, 0);

	if (size > sizeof(bytes))
		return ERR_TOO_BIG;
	size = avahi_string_list_serialize(list, bytes, sizeof(bytes));
	return discover_txt_decode(bytes, size, &row->txt);
}

/* What stays is told of by itself when it changes. */
static bool stays(const struct discover_thread *thread, const struct discover_row *row)
{
	return row->resolved && row->ours && thread->resolvers <= RESOLVERS_KEPT_MAX;
}

static void retry(struct discover_row *row)
{
	int64_t gap_ms = RESOLVE_RETRY_MS << (row->tries < 4 ? row->tries : 4);

	row->tries++;
	row->next = mtime_add_ms(
		discover_mdns_now(), gap_ms < RESOLVE_RETRY_MAX_MS ? gap_ms : RESOLVE_RETRY_MAX_MS);
}

static void resolved(AvahiServiceResolver *resolver, AvahiIfIndex ifindex, AvahiProtocol protocol,
	AvahiResolverEvent event, const char *name, const char *type, const char *domain,
	const char *host, const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
	AvahiLookupResultFlags flags, void *arg)
{
	struct discover_thread *thread = arg;
	uint8_t family = protocol == AVAHI_PROTO_INET ? 4 : 6;
	struct discover_row *row =
		discover_table_find(&thread->table, name, (uint32_t)ifindex, family);

	(void)resolver;
	(void)type;
	(void)domain;
	(void)host;
	(void)flags;
	if (!row)
		return;
	row->resolved = event == AVAHI_RESOLVER_FOUND && address && port && take_txt(row, txt) == 0;
	if (row->resolved) {
		take_address(row, ifindex, address, port);
		row->tries = 0;
		row->ours =
			thread->want.has_mesh && discover_txt_is_of(&row->txt, &thread->want.mesh);
	} else {
		retry(row);
	}
	thread->table_changed = true;
	if (!stays(thread, row))
		drop_resolver(thread, row);
}

static bool wants_resolver(const struct discover_row *row, mtime_t now)
{
	return row->used && !row->resolver && !row->resolved && mtime_reached(now, row->next);
}

/* Those that are asked for now: without those that stay. */
static unsigned count_asking(const struct discover_thread *thread)
{
	unsigned count = 0;

	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++)
		count += thread->table.rows[i].resolver && !thread->table.rows[i].resolved;
	return count;
}

static void resolve(struct discover_thread *thread, struct discover_row *row)
{
	AvahiProtocol protocol = protocol_of(row->family);

	thread->resolvers++;
	row->resolver = avahi_service_resolver_new(thread->client, (AvahiIfIndex)row->ifindex,
		protocol, row->instance, DISCOVER_SERVICE, "local", protocol, 0, resolved, thread);
	if (row->resolver)
		return;
	thread->resolvers--;
	retry(row);
	discover_mdns_refused(thread, "ask where others are", avahi_client_errno(thread->client));
}

static void resolve_some(struct discover_thread *thread, mtime_t now)
{
	unsigned asking = count_asking(thread);

	for (size_t i = 0; i < DISCOVER_ROWS_MAX && asking < RESOLVERS_MAX && !thread->failed;
		i++) {
		if (wants_resolver(&thread->table.rows[i], now)) {
			resolve(thread, &thread->table.rows[i]);
			asking++;
		}
	}
}

/* ---- by turns ---- */

void discover_browse_turn(struct discover_thread *thread, mtime_t now)
{
	bool again = mtime_reached(now, thread->browse_again);

	for (size_t i = 0; i < thread->speaker_count && !thread->failed; i++) {
		struct discover_speaker *speaker = &thread->speakers[i];

		if (again || speaker->browser_failed)
			stop_browsing(speaker);
		if (!speaker->browser)
			browse(thread, speaker);
	}
	if (again)
		thread->browse_again = MTIME_NEVER;
	resolve_some(thread, now);
}

mtime_t discover_browse_deadline(const struct discover_thread *thread)
{
	mtime_t next = thread->browse_again;
	bool room = count_asking(thread) < RESOLVERS_MAX;

	for (size_t i = 0; room && i < DISCOVER_ROWS_MAX; i++) {
		const struct discover_row *row = &thread->table.rows[i];

		if (row->used && !row->resolver && !row->resolved)
			next = mtime_min(next, row->next);
	}
	return next;
}
