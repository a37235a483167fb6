#include "cli/verb.h"

#include "cli/model.h"

static const char help[] =
	"Deletes a key of the key-value store, on every member; exit status 1 where there is no "
	"such\n"
	"key here. It is on this node's disk when the command returns.\n"
	"\n"
	"Example:\n"
	"  meshctl kv del site/gateway\n";

static void render(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out, "%s is deleted.\n", model_text(result, "key", "The key"));
}

const struct verb verb_kv_del = {
	.name = "kv del",
	.arguments = "KEY",
	.summary = "delete a key",
	.help = help,
	.ipc = IPC_VERB_KV_DEL,
	.operands = {{"KEY", VERB_REQUIRED, IPC_ARG_KEY}},
	.render = render,
};
