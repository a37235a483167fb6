#include "cli/verb.h"

#include <stdlib.h>

#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"

static const char help[] =
	"Lists the invites that this node knows, newest first: those that are open and those that\n"
	"have ended. Tokens are not shown: nobody keeps them.\n"
	"\n"
	"Example:\n"
	"  meshctl invites\n";

static const struct {
	const char *state;
	enum screen_tint tint;
} tints[] = {
	{"open", SCREEN_GOOD},
	{"expired", SCREEN_DIM},
	{"used_up", SCREEN_DIM},
	{"withdrawn", SCREEN_DIM},
	{"invalid", SCREEN_BAD},
};

static enum screen_tint tint_of(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(tints); i++) {
		if (strcmp(tints[i].state, state) == 0)
			return tints[i].tint;
	}
	return SCREEN_PLAIN;
}

/* What whoever joins will be. */
static char *terms(const json_t *invite)
{
	char *tags = model_join(invite, "tags", " ", "");
	char *addresses = model_join(invite, "addresses", " ", "");
	const char *name = model_text(invite, "node_name", "");
	const char *replaced = model_text(json_object_get(invite, "replace"), "id", "");
	char *text = memory_format("%s%.8s%s%s%s%s%s%s%s%s%s", *replaced ? "replaces " : "",
		replaced, *replaced ? " " : "", model_true(invite, "admin") ? "admin " : "",
		model_true(invite, "ephemeral") ? "ephemeral " : "", *name ? "as " : "", name,
		*name ? " " : "", addresses, *addresses ? " " : "", tags);
	size_t size = strlen(text);

	if (size > 0 && text[size - 1] == ' ')
		text[size - 1] = '\0';
	free(tags);
	free(addresses);
	return text;
}

static void add_row(struct cli *cli, struct table *table, const json_t *invite)
{
	const char *state = model_text(invite, "state", "");
	char ago[HUMAN_SIZE], *text = terms(invite);

	table_add(table, SCREEN_PLAIN, "%.8s", model_text(invite, "id", ""));
	table_add(table, tint_of(state), "%s", strcmp(state, "used_up") == 0 ? "used up" : state);
	table_add(table, SCREEN_PLAIN, "%lld/%lld", (long long)model_number(invite, "used", 0),
		(long long)model_number(invite, "uses", 0));
	table_add(table, SCREEN_PLAIN, "%s",
		human_ago(model_text(invite, "expires", NULL), cli->now_ms, "-", ago));
	table_add(
		table, SCREEN_PLAIN, "%s", model_text(json_object_get(invite, "by"), "name", "-"));
	table_add(table, SCREEN_PLAIN, "%s", *text ? text : "-");
	free(text);
}

static void render(struct cli *cli, const json_t *result)
{
	const json_t *invites = json_object_get(result, "invites");
	struct table table;
	json_t *invite;
	size_t i;

	if (json_array_size(invites) == 0) {
		fputs("No invites. `meshctl invite` mints one.\n", cli->screen.out);
		return;
	}
	table_init(&table, "llrlll");
	table_heading(&table, "ID|STATE|USED|EXPIRES|BY|TERMS");
	json_array_foreach(invites, i, invite) add_row(cli, &table, invite);
	table_print(&table, &cli->screen);
	table_done(&table);
}

const struct verb verb_invites = {
	.name = "invites",
	.arguments = "",
	.summary = "list the invites",
	.help = help,
	.ipc = IPC_VERB_INVITES,
	.render = render,
};
