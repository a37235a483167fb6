#include "cli/verb.h"

#include <stdlib.h>

#include "cli/describe.h"

static const char help[] =
	"Founds a mesh on this node: makes the mesh's root key, and admits this node as its first\n"
	"admin. Others join with tokens from `meshctl invite`.\n"
	"\n"
	"  --name NODE     this node's name (default: as configured, else the host's)\n"
	"  --mesh NAME     what people call the mesh (default: mesh)\n"
	"  --prefix4 CIDR  the overlay's IPv4 addresses, /8 to /24 (default: a /16 of "
	"100.64.0.0/10)\n"
	"  --prefix6 CIDR  the overlay's IPv6 addresses, /32 to /64 (default: a /48 of fd00::/8)\n"
	"\n"
	"The defaults follow from the mesh's id, so that two meshes hardly ever collide.\n"
	"\n"
	"Example:\n"
	"  meshctl init --name alpha --mesh home --prefix4 10.20.0.0/16\n";

static void render(struct cli *cli, const json_t *result)
{
	describe_belonging(cli, result, "founded");
	fputs("\nNext: `meshctl invite` makes a token with which another host joins.\n",
		cli->screen.out);
}

const struct verb verb_init = {
	.name = "init",
	.arguments = "[--name NODE] [--mesh NAME] [--prefix4 CIDR] [--prefix6 CIDR]",
	.summary = "found a mesh on this node",
	.help = help,
	.ipc = IPC_VERB_INIT,
	.options =
		{
			{"name", VERB_TEXT, IPC_ARG_NAME},
			{"mesh", VERB_TEXT, IPC_ARG_MESH},
			{"prefix4", VERB_PREFIX4, IPC_ARG_PREFIX4},
			{"prefix6", VERB_PREFIX6, IPC_ARG_PREFIX6},
		},
	.render = render,
};
