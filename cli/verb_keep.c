#include "cli/verb.h"

#include "cli/describe.h"

static const char help[] =
	"An admin's word that a node's admission stands. It is for one that joined honestly and "
	"was\n"
	"left out: its invite was used elsewhere as well, while the mesh was split, or closed "
	"before\n"
	"anybody had heard of it. The node is a member again as soon as it hears of it.\n"
	"NODE is a name, an id, or a beginning of an id that fits no other.\n"
	"\n"
	"Example:\n"
	"  meshctl keep gamma\n";

static void render(struct cli *cli, const json_t *result)
{
	describe_outcome(cli, result, "is kept");
}

const struct verb verb_keep = {
	.name = "keep",
	.arguments = "NODE",
	.summary = "say that a node's admission stands",
	.help = help,
	.ipc = IPC_VERB_KEEP,
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE}},
	.render = render,
};
