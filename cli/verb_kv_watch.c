#include "cli/verb.h"

#include <stdlib.h>

#include "cli/model.h"
#include "cli/value.h"

static const char help[] =
	"Shows the keys that begin with PREFIX, or all, as they are, and then every change as it\n"
	"comes, until interrupted. With --json one object a line: {\"key\", \"value_base64\" "
	"(null:\n"
	"deleted), \"author\", \"stamp\", \"cursor\"}.\n"
	"\n"
	"  --since CURSOR   only what was applied here after the line with this cursor: nothing "
	"is\n"
	"                   missed, over restarts and crashes of meshd as well. A cursor is this\n"
	"                   node's own; one of another node, or older than the deletions that are\n"
	"                   remembered here, is refused: watch without --since then.\n"
	"\n"
	"Each line is a key's newest value. A key that changes several times before it is shown, "
	"as\n"
	"a slow reader's do, is shown once. After a crash a line may come a second time.\n"
	"\n"
	"Examples:\n"
	"  meshctl kv watch site/\n"
	"  meshctl --json kv watch --since 7687826562187264001\n";

static void put_change(const struct screen *screen, const json_t *change)
{
	char *value = value_describe(change);
	bool deleted = json_is_null(json_object_get(change, "value_base64"));

	screen_put(screen, SCREEN_BOLD, model_text(change, "key", ""));
	fputs("  ", screen->out);
	screen_put(screen, deleted ? SCREEN_WARN : SCREEN_PLAIN, value);
	fputs("  ", screen->out);
	screen_put(screen, SCREEN_DIM, model_text(change, "cursor", ""));
	fputc('\n', screen->out);
	free(value);
}

static int take_item(struct cli *cli, json_t *item)
{
	value_rename(item);
	if (cli->json)
		cli_print_json(cli, item, true);
	else
		put_change(&cli->screen, item);
	/* Each as it comes: whoever reads may wait for this very one. */
	if (fflush(cli->screen.out) != 0)
		return cli_fail(CLI_FAILED, "cannot write to standard output");
	return CLI_DONE;
}

static int run(struct cli *cli, struct verb_call *call)
{
	json_t *result;
	int status = cli_call(cli, &call->request, -1, take_item, &result);

	json_decref(result);
	return status;
}

const struct verb verb_kv_watch = {
	.name = "kv watch",
	.arguments = "[PREFIX] [--since CURSOR]",
	.summary = "show keys, and changes as they come",
	.help = help,
	.ipc = IPC_VERB_KV_WATCH,
	.options = {{"since", VERB_TEXT, IPC_ARG_SINCE}},
	.operands = {{"PREFIX", VERB_OPTIONAL, IPC_ARG_PREFIX}},
	.run = run,
};
