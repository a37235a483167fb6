#include "cli/verb.h"

#include <stdlib.h>

#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"

static const char help[] =
	"Lists the L2 segments of the mesh: who is attached, what this host has on them, and where "
	"each\n"
	"MAC address is, as its member tells through gossip. Of a segment made with --flood no "
	"MAC\n"
	"addresses are told. A * marks addresses that several members claim in turn: they are held "
	"where\n"
	"they were last.\n"
	"\n"
	"Examples:\n"
	"  meshctl l2 list\n"
	"  meshctl --json l2 list | jq -r '.segments[].macs[] | .mac + \" \" + .node.name'\n";

/* A segment, or a MAC address of the segment before it. */
static int take_item(struct cli *cli, json_t *item)
{
	json_t *last = json_array_get(cli->items, json_array_size(cli->items) - 1);

	if (!json_object_get(item, "mac")) {
		json_object_set_new(item, "macs", memory_check(json_array()));
		json_array_append(cli->items, item);
	} else if (last) {
		json_object_del(item, "segment");
		json_array_append(json_object_get(last, "macs"), item);
	}
	return CLI_DONE;
}

/* What is to be known of it beside the numbers. */
static char *describe(const json_t *segment)
{
	static const char *const flags[] = {"auto", "flood", "clash"};
	const char *problem = model_text(segment, "problem", "");
	char *text = memory_copy("");

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		char *longer;

		if (!model_true(segment, flags[i]))
			continue;
		longer = memory_format("%s%s%s", text, *text ? ", " : "", flags[i]);
		free(text);
		text = longer;
	}
	if (*problem) {
		char *longer = memory_format("%s%s%s", text, *text ? "; " : "", problem);

		free(text);
		text = longer;
	}
	return text;
}

static void put_members(struct cli *cli, const json_t *segment)
{
	const json_t *members = json_object_get(segment, "members");
	json_t *member;
	size_t i;

	fprintf(cli->screen.out, "\n");
	screen_put(&cli->screen, SCREEN_BOLD, model_text(segment, "name", "-"));
	fputs(": ", cli->screen.out);
	if (json_array_size(members) == 0)
		fputs("nobody is attached", cli->screen.out);
	json_array_foreach(members, i, member) fprintf(
		cli->screen.out, "%s%s", i == 0 ? "" : ", ", model_text(member, "name", "-"));
	fputc('\n', cli->screen.out);
}

static void put_macs(struct cli *cli, const json_t *segment)
{
	const json_t *macs = json_object_get(segment, "macs");
	struct table table;
	json_t *mac;
	size_t i;

	if (json_array_size(macs) == 0)
		return;
	table_init(&table, "llll");
	table_heading(&table, "  MAC|AT|SINCE|ADDRESSES");
	json_array_foreach(macs, i, mac)
	{
		char *ips = model_join(mac, "ips", " ", "-"), ago[HUMAN_SIZE];

		table_add(&table, SCREEN_PLAIN, "  %s%s", model_text(mac, "mac", "-"),
			model_true(mac, "frozen") ? "*" : "");
		table_add(&table, SCREEN_PLAIN, "%s",
			model_text(json_object_get(mac, "node"), "name", "-"));
		table_add(&table, SCREEN_PLAIN, "%s",
			human_ago(model_text(mac, "since", NULL), cli->now_ms, "-", ago));
		table_add(&table, SCREEN_PLAIN, "%s", ips);
		free(ips);
	}
	table_print(&table, &cli->screen);
	table_done(&table);
}

static void add_row(struct table *table, const json_t *segment)
{
	bool attached = model_true(segment, "attached");
	char *about = describe(segment);

	table_add(table, SCREEN_PLAIN, "%s", model_text(segment, "name", "-"));
	table_add(table, SCREEN_PLAIN, "%lld", (long long)model_number(segment, "vni", 0));
	table_add(table,
		!attached		    ? SCREEN_PLAIN
		: model_true(segment, "up") ? SCREEN_GOOD
					    : SCREEN_BAD,
		"%s",
		!attached		    ? "-"
		: model_true(segment, "up") ? "up"
					    : "down");
	table_add(table, SCREEN_PLAIN, "%zu", json_array_size(json_object_get(segment, "members")));
	table_add(table, SCREEN_PLAIN, "%lld", (long long)model_number(segment, "mtu", 0));
	table_add(table, SCREEN_PLAIN, "%zu", json_array_size(json_object_get(segment, "macs")));
	table_add(table, SCREEN_PLAIN, "%s", about);
	free(about);
}

static void render(struct cli *cli, const json_t *segments)
{
	struct table table;
	json_t *segment;
	size_t i;

	if (json_array_size(segments) == 0) {
		fputs("No segments. `meshctl l2 create NAME` makes one.\n", cli->screen.out);
		return;
	}
	table_init(&table, "lrlrrrl");
	table_heading(&table, "NAME|VNI|HERE|MEMBERS|MTU|MACS|");
	json_array_foreach(segments, i, segment) add_row(&table, segment);
	table_print(&table, &cli->screen);
	table_done(&table);
	json_array_foreach(segments, i, segment)
	{
		put_members(cli, segment);
		put_macs(cli, segment);
	}
}

static int run(struct cli *cli, struct verb_call *call)
{
	json_t *result, *document = memory_check(json_object());
	int status;

	cli->items = memory_check(json_array());
	json_object_set_new(document, "segments", cli->items);
	status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, take_item, &result);
	if (status == CLI_DONE && cli->json)
		cli_print_json(cli, document, false);
	else if (status == CLI_DONE)
		render(cli, cli->items);
	json_decref(result);
	json_decref(document);
	cli->items = NULL;
	return status;
}

const struct verb verb_l2_list = {
	.name = "l2 list",
	.arguments = "",
	.summary = "list the segments, and where each MAC address is",
	.help = help,
	.ipc = IPC_VERB_L2_LIST,
	.run = run,
};
