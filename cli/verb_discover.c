#include "cli/verb.h"

#include <stdlib.h>

#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"

static const char help[] =
	"Lists what mDNS sees on the LAN: nodes of this mesh, nodes of other meshes, nodes that\n"
	"belong to none yet. What is announced names neither a node nor its mesh: of this mesh's\n"
	"nodes the name is shown once they have proven who they are; of another mesh's a tag, "
	"which\n"
	"is another one on each of its nodes and after each start.\n"
	"\n"
	"Example:\n"
	"  meshctl discover\n";

static bool stands_before(const json_t *places, size_t end, const char *key, const char *text)
{
	for (size_t i = 0; i < end; i++) {
		if (strcmp(model_text(json_array_get(places, i), key, ""), text) == 0)
			return true;
	}
	return false;
}

/* What the places have under that key, each text once. */
static char *list(const json_t *node, const char *key)
{
	const json_t *places = json_object_get(node, "places");
	char *text = NULL;
	json_t *place;
	size_t i;

	json_array_foreach(places, i, place)
	{
		const char *one = model_text(place, key, "");

		if (!stands_before(places, i, key, one))
			memory_join(&text, " ", one);
	}
	return text ? text : memory_copy("");
}

static void add_row(struct table *table, const json_t *node)
{
	const char *mesh = model_text(node, "mesh", "-");
	bool own = strcmp(mesh, "own") == 0, none = strcmp(mesh, "none") == 0;
	const char *name = model_text(json_object_get(node, "node"), "name", NULL);
	char *endpoints = list(node, "endpoint"), *interfaces = list(node, "interface");

	if (own)
		table_add(table, SCREEN_GOOD, "this mesh");
	else if (none)
		table_add(table, SCREEN_PLAIN, "none yet");
	else
		table_add(table, SCREEN_DIM, "other %.8s", model_text(node, "tag", ""));
	table_add(table, SCREEN_PLAIN, "%s", name ? name : own ? "(not proven)" : "-");
	table_add(table, SCREEN_PLAIN, "%s", interfaces);
	table_add(table, SCREEN_PLAIN, "%s", endpoints);
	free(endpoints);
	free(interfaces);
}

static void put_state(struct cli *cli, const json_t *result)
{
	const char *state = model_text(result, "mdns", "-"), *why = model_text(result, "why", NULL);
	char *interfaces = model_join(result, "interfaces", ", ", "no interface");

	if (strcmp(state, "running") == 0)
		fprintf(cli->screen.out, "mDNS on %s%s%s\n", interfaces, why ? "; " : "",
			why ? why : "");
	else
		fprintf(cli->screen.out, "mDNS is %s%s%s\n", state, why ? ": " : "",
			why ? why : "");
	free(interfaces);
}

static void render(struct cli *cli, const json_t *result)
{
	static const char *const kinds[] = {"own", "none", "other"};
	const json_t *nodes = json_object_get(result, "nodes");
	struct table table;
	json_t *node;
	size_t i;

	put_state(cli, result);
	if (json_array_size(nodes) == 0) {
		if (strcmp(model_text(result, "mdns", ""), "running") == 0)
			fputs("Nobody is seen.\n", cli->screen.out);
		return;
	}
	fputc('\n', cli->screen.out);
	table_init(&table, "llll");
	table_heading(&table, "MESH|NODE|INTERFACE|ENDPOINTS");
	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		json_array_foreach(nodes, i, node)
		{
			if (strcmp(model_text(node, "mesh", ""), kinds[kind]) == 0)
				add_row(&table, node);
		}
	}
	table_print(&table, &cli->screen);
	table_done(&table);
}

const struct verb verb_discover = {
	.name = "discover",
	.arguments = "",
	.summary = "what mDNS sees on the LAN",
	.help = help,
	.ipc = IPC_VERB_DISCOVER,
	.render = render,
};
