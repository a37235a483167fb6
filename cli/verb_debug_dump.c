#include "cli/verb.h"

static const char help[] = "What this node holds, wants, sees and did, as one JSON document for a "
			   "bug report: status,\n"
			   "settings, counters, records (without values), the plan, what WireGuard "
			   "and the host were seen\n"
			   "to have, the last operations and the last errors of the kernel. No "
			   "secret key is in it; names,\n"
			   "addresses, endpoints and the names of keys are: look at it before you "
			   "send it to somebody.\n"
			   "\n"
			   "Example:\n"
			   "  meshctl debug dump > dump.json\n"
			   "  meshctl debug dump | jq .last_errors\n";

static void render(struct cli *cli, const json_t *result)
{
	cli_print_json(cli, result, false);
}

const struct verb verb_debug_dump = {
	.name = "debug dump",
	.arguments = "",
	.summary = "the daemon's insides as JSON, for a bug report",
	.help = help,
	.ipc = IPC_VERB_DEBUG_DUMP,
	.render = render,
};
