#include "cli/verb.h"

#include <stdlib.h>

#include "cli/value.h"

static const char help[] =
	"Prints the value of a key as it is, without anything added; exit status 1 where there is "
	"no\n"
	"such key. What this node knows: it asks nobody else. With --json: {\"key\",\n"
	"\"value_base64\", \"author\", \"stamp\"}.\n"
	"\n"
	"Examples:\n"
	"  meshctl kv get site/gateway\n"
	"  meshctl kv get site/map.png > map.png\n";

static int run(struct cli *cli, struct verb_call *call)
{
	json_t *result;
	uint8_t *bytes;
	size_t size;
	int status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result);

	if (status != CLI_DONE)
		return status;
	value_rename(result);
	if (cli->json) {
		cli_print_json(cli, result, false);
	} else {
		bytes = value_bytes(result, &size);
		if (bytes)
			fwrite(bytes, 1, size, cli->screen.out);
		free(bytes);
	}
	json_decref(result);
	return CLI_DONE;
}

const struct verb verb_kv_get = {
	.name = "kv get",
	.arguments = "KEY",
	.summary = "print the value of a key",
	.help = help,
	.ipc = IPC_VERB_KV_GET,
	.operands = {{"KEY", VERB_REQUIRED, IPC_ARG_KEY}},
	.run = run,
};
