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
	"addresses are told. A * marks one that several members claim in turn: AT is the last of "
	"them,\n"
	"and frames for it go to everybody.\n"
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

/* How it works, and that it does not. */
static char *describe(const json_t *segment)
{
	static const char *const flags[] = {"auto", "flood", "clash"};
	char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (model_true(segment, flags[i]))
			memory_join(&text, ", ", flags[i]);
	}
	return text ? text : memory_copy("-");
}

static const char *sort_key(const json_t *item)
{
	return model_text(item, "mac", model_text(item, "name", ""));
}

static int by_key(const void *a, const void *b)
{
	return strcmp(sort_key(*(json_t *const *)a), sort_key(*(json_t *const *)b));
}

/* Members by name, MAC addresses by themselves. Release with free; the items are borrowed. */
static json_t **sorted(const json_t *list, size_t *ret_count)
{
	size_t count = json_array_size(list);
	json_t **items = memory_grow(NULL, count + 1, sizeof(*items));

	for (size_t i = 0; i < count; i++)
		items[i] = json_array_get(list, i);
	qsort(items, count, sizeof(*items), by_key);
	*ret_count = count;
	return items;
}

static void put_members(struct cli *cli, const json_t *segment)
{
	size_t count;
	json_t **members = sorted(json_object_get(segment, "members"), &count);
	const char *problem = model_text(segment, "problem", "");

	fputc('\n', cli->screen.out);
	screen_put(&cli->screen, SCREEN_BOLD, model_text(segment, "name", "-"));
	fputs(": ", cli->screen.out);
	if (count == 0)
		fputs("nobody is attached", cli->screen.out);
	for (size_t i = 0; i < count; i++)
		fprintf(cli->screen.out, "%s%s", i == 0 ? "" : ", ",
			model_text(members[i], "name", "-"));
	fputc('\n', cli->screen.out);
	if (model_true(segment, "attached") && *problem)
		fprintf(cli->screen.out, "  not as it should be here: %s\n", problem);
	free(members);
}

static void add_mac(struct cli *cli, struct table *table, const json_t *mac)
{
	char *ips = model_join(mac, "ips", " ", "-"), ago[HUMAN_SIZE];

	table_add(table, SCREEN_PLAIN, "  %s%s", model_text(mac, "mac", "-"),
		model_true(mac, "frozen") ? "*" : "");
	table_add(table, SCREEN_PLAIN, "%s", model_text(json_object_get(mac, "node"), "name", "-"));
	table_add(table, SCREEN_PLAIN, "%s",
		human_ago(model_text(mac, "since", NULL), cli->now_ms, "-", ago));
	table_add(table, SCREEN_PLAIN, "%s", ips);
	free(ips);
}

static void put_macs(struct cli *cli, const json_t *segment)
{
	size_t count;
	json_t **macs = sorted(json_object_get(segment, "macs"), &count);
	struct table table;

	if (count > 0) {
		table_init(&table, "llll");
		table_heading(&table, "  MAC|AT|SINCE|ADDRESSES");
		for (size_t i = 0; i < count; i++)
			add_mac(cli, &table, macs[i]);
		table_print(&table, &cli->screen);
		table_done(&table);
	}
	free(macs);
}

static void add_row(struct table *table, const json_t *segment)
{
	bool attached = model_true(segment, "attached"), up = model_true(segment, "up");
	char *about = describe(segment);

	table_add(table, SCREEN_PLAIN, "%s", model_text(segment, "name", "-"));
	table_add(table, SCREEN_PLAIN, "%lld", (long long)model_number(segment, "vni", 0));
	table_add(table, SCREEN_PLAIN, "%zu", json_array_size(json_object_get(segment, "members")));
	table_add(table, SCREEN_PLAIN, "%zu", json_array_size(json_object_get(segment, "macs")));
	table_add(table, SCREEN_PLAIN, "%lld", (long long)model_number(segment, "mtu", 0));
	table_add(table,
		!attached ? SCREEN_PLAIN
		: up	  ? SCREEN_GOOD
			  : SCREEN_BAD,
		"%s",
		!attached ? "-"
		: up	  ? "up"
			  : "down");
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
	table_init(&table, "lrrrrll");
	table_heading(&table, "NAME|VNI|MEMBERS|MACS|MTU|HERE|KIND");
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
	return cli_list(cli, &call->request, "segments", take_item, render);
}

const struct verb verb_l2_list = {
	.name = "l2 list",
	.arguments = "",
	.summary = "list the segments, and where each MAC address is",
	.help = help,
	.ipc = IPC_VERB_L2_LIST,
	.run = run,
};
