#include "cli/verb.h"

#include <stdlib.h>

#include "cli/model.h"

static const char help[] =
	"Attaches this host to an L2 segment: a bridge with the segment's name, and on it the "
	"VXLAN\n"
	"device to the other members. It returns when the bridge is up; it is there again after a\n"
	"restart of meshd or of the host.\n"
	"\n"
	"  --address CIDR  an address for this host on the bridge, with the length of its network\n"
	"  --port IF       an interface of this host to put on the bridge, such as eth1: what is\n"
	"                  plugged in there is on the segment, too. Its addresses go on the "
	"bridge\n"
	"\n"
	"Each may be given several times (16 at most). Attached already, the addresses and ports "
	"that are\n"
	"given replace those that are there: without any, the bridge has none. Two members that "
	"bridge\n"
	"one and the same LAN make a loop: see `stp` in meshd.conf.\n"
	"\n"
	"Examples:\n"
	"  meshctl l2 attach lan0 --address 192.168.7.1/24 --address fd12:3456::1/64\n"
	"  meshctl l2 attach lan0 --port eth1\n";

static void render(struct cli *cli, const json_t *result)
{
	char *addresses = model_join(result, "addresses", ", ", ""),
	     *ports = model_join(result, "ports", ", ", "");

	fprintf(cli->screen.out, "This host is on segment %s: bridge %s, MTU %lld%s%s%s%s.\n",
		model_text(result, "name", "-"), model_text(result, "bridge", "-"),
		(long long)model_number(result, "mtu", 0), *addresses ? ", addresses " : "",
		addresses, *ports ? ", ports " : "", ports);
	free(addresses);
	free(ports);
}

const struct verb verb_l2_attach = {
	.name = "l2 attach",
	.arguments = "NAME [--address CIDR]... [--port IF]...",
	.summary = "attach this host to an L2 segment",
	.help = help,
	.ipc = IPC_VERB_L2_ATTACH,
	.options =
		{
			{"address", VERB_CIDR, IPC_ARG_ADDRESSES},
			{"port", VERB_LIST, IPC_ARG_PORTS},
		},
	.operands = {{"NAME", VERB_REQUIRED, IPC_ARG_SEGMENT}},
	.timeout_ms = 20000,
	.render = render,
};
