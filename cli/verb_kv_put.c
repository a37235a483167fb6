#include "cli/verb.h"

#include <stdio.h>

#include "cli/model.h"

static const char help[] =
	"Writes a key of the replicated key-value store. It is on this node's disk when the "
	"command\n"
	"returns, and every other member has it soon after, or when it is back. Of two that write "
	"the\n"
	"same key at once, the later one wins, on every node alike.\n"
	"\n"
	"  KEY     1 to 256 bytes of UTF-8 text; keys under mesh/ are configuration, and for "
	"admins\n"
	"  VALUE   any bytes, up to 64 KiB; `-` reads them from standard input, as they are\n"
	"\n"
	"A member may write 4,096 keys and 1 MiB in all; a writer (`meshctl grant`) or an admin\n"
	"200,000 and 64 MiB. A key or a value that begins with a hyphen stands behind `--`.\n"
	"\n"
	"Examples:\n"
	"  meshctl kv put site/gateway 192.0.2.1\n"
	"  meshctl kv put site/map.png - < map.png\n";

/* Standard input, whole. CLI_FAILED has been told. */
static int read_value(uint8_t *ret, size_t *ret_size)
{
	size_t size = fread(ret, 1, IPC_BYTES_MAX + 1, stdin);

	if (ferror(stdin))
		return cli_fail(CLI_FAILED, "kv put: cannot read standard input");
	*ret_size = size;
	return CLI_DONE;
}

static int run(struct cli *cli, struct verb_call *call)
{
	static uint8_t input[IPC_BYTES_MAX + 1];
	const void *value = call->operands[1];
	size_t size = strlen(value);
	int status = CLI_DONE;

	if (strcmp(value, "-") == 0) {
		status = read_value(input, &size);
		value = input;
	}
	if (status == CLI_DONE &&
		ipc_request_set_bytes(&call->request, IPC_ARG_VALUE, value, size) != 0)
		status = cli_fail(CLI_FAILED, "kv put: a value is at most %d bytes", IPC_BYTES_MAX);
	return status == CLI_DONE ? verb_ask(cli, call) : status;
}

static void render(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out, "%s is stored.\n", model_text(result, "key", "The key"));
}

const struct verb verb_kv_put = {
	.name = "kv put",
	.arguments = "KEY VALUE|-",
	.summary = "write a key of the key-value store",
	.help = help,
	.ipc = IPC_VERB_KV_PUT,
	.operands = {{"KEY", VERB_REQUIRED, IPC_ARG_KEY}, {"VALUE", VERB_OWN, 0}},
	.render = render,
	.run = run,
};
