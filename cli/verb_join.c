#include "cli/verb.h"

#include <sodium.h>
#include <unistd.h>

#include "cli/describe.h"

#define JOIN_TIMEOUT_MS 30000 /* the contract's; the daemon's own default is the same */
#define JOIN_GRACE_MS	10000 /* for the daemon to say that its time is over */

static const char help[] =
	"Joins the mesh of a token from `meshctl invite`; returns when this node is a member and "
	"its\n"
	"interface is up. Any member that can be reached admits it: the inviter need not be up.\n"
	"\n"
	"  TOKEN         the token; `-` reads it from standard input, so that it does not stand "
	"in\n"
	"                `ps` and in the shell's history\n"
	"  --name NODE   this node's name (default: as configured, else the host's)\n"
	"  --timeout D   how long to try: 90s, 15m (default: 30s)\n"
	"\n"
	"Example:\n"
	"  meshctl join - < token\n";

/* One line of standard input without its surrounding white space. CLI_FAILED has been told. */
static int read_token(char *ret, size_t capacity)
{
	size_t size;

	setvbuf(stdin, NULL, _IONBF, 0); /* no copy of it stays in a buffer */
	if (isatty(STDIN_FILENO))
		fputs("Token: ", stderr);
	do { /* past blank lines, which copying likes to add */
		if (!fgets(ret, (int)capacity, stdin))
			*ret = '\0';
	} while (*ret && ret[strspn(ret, " \t\r\n")] == '\0');
	if (*ret == '\0')
		return cli_fail(CLI_FAILED, "join: no token on standard input: paste the line that "
					    "`meshctl invite` printed");
	size = strlen(ret);
	if (ret[size - 1] != '\n' && !feof(stdin))
		return cli_fail(
			CLI_FAILED, "join: what stands on standard input is too long for a token");
	while (size > 0 && strchr(" \t\r\n", ret[size - 1]))
		ret[--size] = '\0';
	memmove(ret, ret + strspn(ret, " \t"), size + 1 - strspn(ret, " \t"));
	return CLI_DONE;
}

static void render(struct cli *cli, const json_t *result)
{
	describe_belonging(cli, result, "joined");
}

static int run(struct cli *cli, struct verb_call *call)
{
	struct ipc_value *value = &call->request.args[IPC_ARG_TOKEN];
	char token[IPC_TEXT_MAX];
	int status = CLI_DONE;

	if (strcmp(value->text, "-") == 0) {
		status = read_token(token, sizeof(token));
		value->text = token;
	}
	call->timeout_ms = JOIN_GRACE_MS + (int64_t)ipc_request_number(&call->request,
						   IPC_ARG_TIMEOUT_MS, JOIN_TIMEOUT_MS);
	if (status == CLI_DONE)
		status = verb_ask(cli, call);
	sodium_memzero(token, sizeof(token));
	return status;
}

const struct verb verb_join = {
	.name = "join",
	.arguments = "TOKEN|- [--name NODE] [--timeout D]",
	.summary = "join a mesh with a token",
	.help = help,
	.ipc = IPC_VERB_JOIN,
	.options =
		{
			{"name", VERB_TEXT, IPC_ARG_NAME},
			{"timeout", VERB_DURATION, IPC_ARG_TIMEOUT_MS},
		},
	.operands = {{"TOKEN", VERB_REQUIRED, IPC_ARG_TOKEN}},
	.render = render,
	.run = run,
};
