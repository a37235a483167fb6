#include "cli/verb.h"

#include <stdlib.h>

#include "cli/describe.h"
#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"

static const char help[] = "All that is known of one member, also of one that left or was revoked "
			   "in the last 24 hours.\n"
			   "NODE is a name, an id, or a beginning of an id that fits no other.\n"
			   "\n"
			   "Example:\n"
			   "  meshctl show beta\n";

static void put(struct table *table, const char *label, const char *text)
{
	table_add(table, SCREEN_BOLD, "%s", label);
	table_add(table, SCREEN_PLAIN, "%s", text);
}

static void put_text(struct table *table, const char *label, const json_t *object, const char *key)
{
	const char *text = model_text(object, key, "");

	if (*text)
		put(table, label, text);
}

/* One line for each text of a list, the label on the first. */
static void put_list(struct table *table, const char *label, const json_t *object, const char *key)
{
	json_t *value;
	size_t i;

	json_array_foreach(json_object_get(object, key), i, value) put(
		table, i == 0 ? label : "", json_is_string(value) ? json_string_value(value) : "");
}

static void put_ago(struct cli *cli, struct table *table, const char *label, const json_t *object,
	const char *key)
{
	const char *time = model_text(object, key, NULL);
	char ago[HUMAN_SIZE], *text;

	if (!time)
		return;
	text = memory_format("%s (%s)", time, human_ago(time, cli->now_ms, "", ago));
	put(table, label, text);
	free(text);
}

static void put_person(struct table *table, const char *label, const json_t *node)
{
	char *text;

	if (!json_is_object(node))
		return;
	text = memory_format(
		"%s (%.8s)", model_text(node, "name", "-"), model_text(node, "id", "-"));
	put(table, label, text);
	free(text);
}

static void put_roles(struct table *table, const json_t *member)
{
	static const struct {
		const char *key, *text;
	} roles[] = {{"self", "this node"}, {"admin", "admin"}, {"writer", "writer"},
		{"ephemeral", "ephemeral"}, {"kept", "kept by an admin"}};
	char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (model_true(member, roles[i].key))
			memory_join(&text, ", ", roles[i].text);
	}
	if (text)
		put(table, "roles", text);
	free(text);
}

static void put_wireguard(struct cli *cli, struct table *table, const json_t *member)
{
	const json_t *wireguard = json_object_get(member, "wireguard");
	char rx[HUMAN_SIZE], tx[HUMAN_SIZE], *text;

	if (!model_text(wireguard, "public_key", NULL))
		return;
	put_text(table, "wireguard key", wireguard, "public_key");
	if (model_true(member, "self"))
		return;
	put_text(table, "path", wireguard, "path");
	put_text(table, "peer endpoint", wireguard, "endpoint");
	if (model_text(wireguard, "latest_handshake", NULL))
		put_ago(cli, table, "handshake", wireguard, "latest_handshake");
	else
		put(table, "handshake", "never");
	text = memory_format("%s received, %s sent",
		human_bytes(model_real(wireguard, "rx_bytes", 0), rx),
		human_bytes(model_real(wireguard, "tx_bytes", 0), tx));
	put(table, "traffic", text);
	free(text);
}

/* One line for each address that it has told of. */
static void put_macs(struct table *table, const json_t *member)
{
	json_t *mac;
	size_t i;

	json_array_foreach(json_object_get(member, "macs"), i, mac)
	{
		char *ips = model_join(mac, "ips", " ", "");
		char *text = memory_format("%s on %s%s%s%s", model_text(mac, "mac", "-"),
			model_text(mac, "segment", "-"), *ips ? ", " : "", ips,
			model_true(mac, "frozen") ? " (frozen: several claim it)" : "");

		put(table, i == 0 ? "hosts" : "", text);
		free(text);
		free(ips);
	}
}

static void put_standing(struct cli *cli, struct table *table, const json_t *member)
{
	const char *state = model_text(member, "state", "-");
	char ago[HUMAN_SIZE], *text;

	put_text(table, "name", member, "name");
	put_text(table, "id", member, "id");
	text = memory_format("%s, since %s", state,
		human_ago(model_text(member, "since", NULL), cli->now_ms, "-", ago));
	table_add(table, SCREEN_BOLD, "state");
	table_add(table, describe_state(state), "%s", text);
	free(text);
	put_person(table, "revoked by", json_object_get(member, "by"));
	put_text(table, "reason", member, "reason");
	put_roles(table, member);
	text = model_join(member, "tags", " ", "");
	if (*text)
		put(table, "tags", text);
	free(text);
	put_ago(cli, table, "admitted", member, "admitted");
	put_text(table, "invite", member, "invite");
	put_ago(cli, table, "lease until", member, "lease");
}

/* Of meshd, and of the protocol: from the least to the most that it speaks. */
static void put_version(struct table *table, const json_t *member)
{
	const json_t *protocol = json_object_get(member, "protocol");
	long long least = json_integer_value(json_array_get(protocol, 0));
	long long most = json_integer_value(json_array_get(protocol, 1));
	const char *version = model_text(member, "version", "");

	if (!*version)
		return;
	if (most > least)
		table_add(table, SCREEN_BOLD, "version");
	if (most > least)
		table_add(table, SCREEN_PLAIN, "%s, protocol %lld to %lld", version, least, most);
	else
		put(table, "version", version);
}

static void render(struct cli *cli, const json_t *member)
{
	double rtt_ms = model_real(member, "rtt_ms", -1);
	char *addresses = describe_addresses(member, false), rtt[HUMAN_SIZE], *text;
	struct table table;

	table_init(&table, "ll");
	put_standing(cli, &table, member);
	put(&table, "addresses", addresses);
	put_text(&table, "reached at", member, "reached");
	put_list(&table, "endpoints", member, "endpoints");
	if (rtt_ms >= 0)
		put(&table, "round trip", human_rtt(rtt_ms, rtt));
	put_version(&table, member);
	put_wireguard(cli, &table, member);
	text = model_join(member, "segments", " ", "");
	if (*text)
		put(&table, "segments", text);
	put_macs(&table, member);
	free(text);
	table_print(&table, &cli->screen);
	table_done(&table);
	free(addresses);
}

const struct verb verb_show = {
	.name = "show",
	.arguments = "NODE",
	.summary = "all that is known of one member",
	.help = help,
	.ipc = IPC_VERB_SHOW,
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE}},
	.render = render,
};
