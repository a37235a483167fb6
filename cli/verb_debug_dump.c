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

static int run(struct cli *cli, struct verb_call *call)
{
	json_t *result;
	int status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result);

	if (status != CLI_DONE)
		return status;
	cli_print_json(cli, result, false);
	json_decref(result);
	return CLI_DONE;
}

const struct verb verb_debug_dump = {
	.name = "debug dump",
	.arguments = "",
	.summary = "the daemon's insides as JSON, for a bug report",
	.help = help,
	.ipc = IPC_VERB_DEBUG_DUMP,
	.run = run,
};
