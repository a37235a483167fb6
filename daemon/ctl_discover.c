#include "daemon/ctl_discover.h"

#include "daemon/ctl_put.h"
#include "daemon/discover.h"

/* Who is announced: one by its salt, seen at any number of addresses. All of it may be made up. */
static bool is_same(const struct discover_seen *a, const struct discover_seen *b)
{
	return memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

static bool is_first(const struct discover_view *view, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (is_same(&view->seen[i], &view->seen[at]))
			return false;
	}
	return true;
}

static uint32_t count_places(const struct discover_view *view, size_t of)
{
	uint32_t count = 0;

	for (size_t i = of; i < view->count; i++)
		count += is_same(&view->seen[i], &view->seen[of]);
	return count;
}

/* Who it is, once one of the places has proven it. */
static void put_node(
	struct pack *out, const struct gossip *gossip, const struct discover_view *view, size_t of)
{
	struct id node = {{0}};

	for (size_t i = of; view->seen[of].ours && i < view->count && id_is_zero(&node); i++) {
		if (is_same(&view->seen[i], &view->seen[of]))
			(void)gossip_hint_node(gossip, &view->seen[i].endpoint, &node);
	}
	ctl_put_person(out, "node", gossip, &node);
}

static void put_places(
	struct pack *out, const struct gossip *gossip, const struct discover_view *view, size_t of)
{
	char text[TEXT_ENDPOINT_SIZE];
	struct id node;

	pack_put_str(out, "places");
	pack_put_array(out, count_places(view, of));
	for (size_t i = of; i < view->count; i++) {
		const struct discover_seen *seen = &view->seen[i];

		if (!is_same(seen, &view->seen[of]))
			continue;
		pack_put_map(out, 3);
		ctl_put_text(out, "endpoint", text_endpoint(&seen->endpoint, text));
		ctl_put_text(out, "interface", seen->link);
		ctl_put_flag(out, "proven",
			seen->ours && gossip_hint_node(gossip, &seen->endpoint, &node));
	}
}

static void put_seen(
	struct pack *out, const struct gossip *gossip, const struct discover_view *view, size_t of)
{
	const struct discover_seen *seen = &view->seen[of];
	char tag[2 * DISCOVER_TAG_SIZE + 1];

	pack_put_map(out, 4);
	ctl_put_text(out, "mesh", seen->ours ? "own" : seen->has_tag ? "other" : "none");
	ctl_put_text(
		out, "tag", seen->has_tag ? text_hex(seen->tag, sizeof(seen->tag), tag) : NULL);
	put_node(out, gossip, view, of);
	put_places(out, gossip, view, of);
}

static void put_interfaces(struct pack *out, const struct discover *discover)
{
	size_t count;
	const struct discover_link *links = discover_links(discover, &count);

	pack_put_str(out, "interfaces");
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		pack_put_str(out, links[i].name);
}

void ctl_discover_run(struct ctl_client *client, const struct ipc_request *request)
{
	const struct daemon *daemon = client->daemon;
	const struct discover_view *view = discover_view(daemon->discover);
	struct pack *out = ctl_client_begin_ok(client);

	(void)request;
	pack_put_map(out, 5);
	ctl_put_text(out, "mdns", discover_state_label(daemon->discover));
	ctl_put_text(out, "why", view->why[0] ? view->why : NULL);
	put_interfaces(out, daemon->discover);
	ctl_put_number(out, "displaced", view->displaced);
	pack_put_str(out, "nodes");
	pack_put_array(out, (uint32_t)discover_count(daemon->discover));
	for (size_t i = 0; i < view->count; i++) {
		if (is_first(view, i))
			put_seen(out, daemon->gossip, view, i);
	}
	ctl_client_end_ok(client);
}
