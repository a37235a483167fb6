#include "cli/verb.h"

#include "cli/describe.h"

static const char help[] =
	"Expels a node: no member talks to it any more, and its key never comes back. It wins "
	"over\n"
	"everything else, and reaches members that are away when they return. Only an admin's "
	"node\n"
	"can. The invite it came with is withdrawn as well; others that joined with it stay.\n"
	"NODE is a name, an id, or a beginning of an id that fits no other.\n"
	"\n"
	"  --reason TEXT   what the others are told, up to 200 bytes\n"
	"\n"
	"Example:\n"
	"  meshctl revoke beta --reason 'the laptop was stolen'\n";

static void render(struct cli *cli, const json_t *result)
{
	describe_outcome(cli, result, "is revoked");
}

const struct verb verb_revoke = {
	.name = "revoke",
	.arguments = "NODE [--reason TEXT]",
	.summary = "expel a node",
	.help = help,
	.ipc = IPC_VERB_REVOKE,
	.options = {{"reason", VERB_TEXT, IPC_ARG_REASON}},
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE}},
	.render = render,
};
