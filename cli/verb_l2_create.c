#include "cli/verb.h"

#include "cli/model.h"

static const char help[] =
	"Makes an L2 segment for the whole mesh: Ethernet between all members that attach to it, "
	"over\n"
	"the WireGuard overlay (VXLAN). For admins. Nothing is attached by it: see `l2 attach`.\n"
	"\n"
	"  NAME     1 to 15 characters; it is the name of the bridge on every host that attaches\n"
	"  --vni    the VXLAN network identifier, 1 to 16777215 (default: derived from mesh and "
	"name)\n"
	"  --auto   every member attaches by itself\n"
	"  --flood  no MAC addresses are told through gossip: unknown hosts are flooded for and "
	"learned\n"
	"           from traffic, as by a plain switch\n"
	"\n"
	"Example:\n"
	"  meshctl l2 create lan0 --auto\n";

static void render(struct cli *cli, const json_t *result)
{
	const char *name = model_text(result, "name", "-");
	bool attached = model_true(result, "auto");

	fprintf(cli->screen.out, "Segment %s is there, with VNI %lld.%s\n", name,
		(long long)model_number(result, "vni", 0),
		attached ? " Every member attaches to it." : "");
	if (!attached)
		fprintf(cli->screen.out,
			"\nNext: `meshctl l2 attach %s` on each host that should be on it.\n",
			name);
}

const struct verb verb_l2_create = {
	.name = "l2 create",
	.arguments = "NAME [--vni N] [--auto] [--flood]",
	.summary = "make an L2 segment for the whole mesh",
	.help = help,
	.ipc = IPC_VERB_L2_CREATE,
	.options =
		{
			{"vni", VERB_COUNT, IPC_ARG_VNI},
			{"auto", VERB_FLAG, IPC_ARG_AUTO},
			{"flood", VERB_FLAG, IPC_ARG_FLOOD},
		},
	.operands = {{"NAME", VERB_REQUIRED, IPC_ARG_SEGMENT}},
	.render = render,
};
