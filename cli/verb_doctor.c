#include "cli/verb.h"

#include <stdlib.h>

#include "cli/describe.h"
#include "cli/host.h"
#include "cli/memory.h"
#include "cli/model.h"

static const char help[] =
	"Checks this host and its daemon, and says what to do about each "
	"finding: WireGuard, ports,\n"
	"clock, MTU, IPv6, forwarding, avahi, files. Works without a running "
	"daemon, too. The exit\n"
	"status is 1 when a check fails, 3 when the daemon cannot be reached; warnings do "
	"not count.\n"
	"\n"
	"Example:\n"
	"  meshctl doctor\n";

static size_t count_failed(const json_t *checks)
{
	size_t failed = 0, i;
	json_t *check;

	json_array_foreach(checks, i, check) failed +=
		strcmp(model_text(check, "state", ""), "fail") == 0;
	return failed;
}

static void add_daemon(json_t *checks, json_t *result, const char *error)
{
	if (error)
		host_add(checks, "daemon", HOST_FAIL, error, NULL);
	else
		json_array_extend(checks, json_object_get(result, "checks"));
}

static int run(struct cli *cli, struct verb_call *call)
{
	json_t *result, *all = memory_check(json_pack("{s:[]}", "checks")), *check;
	json_t *checks = json_object_get(all, "checks");
	char *error;
	int status = cli_try(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result, &error);
	size_t failed, i;

	host_check(checks);
	add_daemon(checks, result, error);
	if (cli->json)
		cli_print_json(cli, all, false);
	else
		json_array_foreach(checks, i, check) describe_finding(cli, check, "check", 4, 12);
	failed = count_failed(checks);
	if (status == CLI_DONE && failed > 0)
		status = CLI_FAILED;
	if (status != CLI_DONE)
		cli_fail(status, "doctor: %zu of %zu checks failed: see above for what to do",
			failed, json_array_size(checks));
	json_decref(result);
	json_decref(all);
	free(error);
	return status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "check this host and say what to do about each finding",
	.help = help,
	.ipc = IPC_VERB_DOCTOR,
	.run = run,
};
