#include "cli/verb.h"

static const char help[] =
	"Leaves the mesh for good: tells the others, takes this node's interface down and forgets "
	"its\n"
	"identity. Its name and addresses are free at once; coming back takes a new token.\n"
	"\n"
	"  --force   even if this node is the last admin, or holds a root key of which no copy "
	"exists:\n"
	"            nobody can invite or revoke any more then; or if its database was lost\n"
	"            and no member reaches it: then nobody is told\n"
	"\n"
	"Example:\n"
	"  meshctl leave\n";

static void render(struct cli *cli, const json_t *result)
{
	(void)result;
	fputs("This node has left its mesh and belongs to none now.\n", cli->screen.out);
}

const struct verb verb_leave = {
	.name = "leave",
	.arguments = "[--force]",
	.summary = "leave the mesh for good",
	.help = help,
	.ipc = IPC_VERB_LEAVE,
	.options = {{"force", VERB_FLAG, IPC_ARG_FORCE}},
	.render = render,
};
