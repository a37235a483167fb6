#include "cli/verb.h"

#include <stdlib.h>

#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"
#include "cli/value.h"

static const char help[] =
	"Lists the keys that begin with PREFIX, or all, in the order of their bytes, as this node\n"
	"knows them: how big the value is, who wrote it and when. With --json the values as well:\n"
	"{\"keys\": [{\"key\", \"value_base64\", \"author\", \"stamp\"}]}.\n"
	"\n"
	"Examples:\n"
	"  meshctl kv list\n"
	"  meshctl --json kv list site/\n";

static int take_item(struct cli *cli, json_t *item)
{
	value_rename(item);
	json_array_append(cli->items, item);
	return CLI_DONE;
}

static void add_row(struct cli *cli, struct table *table, const json_t *entry)
{
	char size_text[HUMAN_SIZE], ago[HUMAN_SIZE];
	size_t size = 0;

	free(value_bytes(entry, &size));
	table_add(table, SCREEN_PLAIN, "%s", model_text(entry, "key", ""));
	table_add(table, SCREEN_PLAIN, "%s", human_bytes((double)size, size_text));
	table_add(table, SCREEN_PLAIN, "%.8s", model_text(entry, "author", ""));
	table_add(table, SCREEN_PLAIN, "%s", value_ago(entry, cli->now_ms, ago));
}

static void render(struct cli *cli, const json_t *keys)
{
	struct table table;
	json_t *entry;
	size_t i;

	if (json_array_size(keys) == 0) {
		fputs("No keys. `meshctl kv put KEY VALUE` writes one.\n", cli->screen.out);
		return;
	}
	table_init(&table, "lrll");
	table_heading(&table, "KEY|SIZE|BY|WRITTEN");
	json_array_foreach(keys, i, entry) add_row(cli, &table, entry);
	table_print(&table, &cli->screen);
	table_done(&table);
}

static int run(struct cli *cli, struct verb_call *call)
{
	return cli_list(cli, &call->request, "keys", take_item, render);
}

const struct verb verb_kv_list = {
	.name = "kv list",
	.arguments = "[PREFIX]",
	.summary = "list the keys",
	.help = help,
	.ipc = IPC_VERB_KV_LIST,
	.operands = {{"PREFIX", VERB_OPTIONAL, IPC_ARG_PREFIX}},
	.run = run,
};
