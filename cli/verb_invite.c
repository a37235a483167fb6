#include "cli/verb.h"

#include <unistd.h>

#include "cli/human.h"
#include "cli/model.h"

static const char help[] =
	"Mints a join token and prints it, alone, on standard output. Only an admin's node can, "
	"and\n"
	"it need not be up when the token is used: any member admits the joiner. Whoever has the\n"
	"token can use it, so treat it as a password.\n"
	"\n"
	"  --expires D           how long it can be used: 90s, 15m, 1h, 7d (default: 1h)\n"
	"  --uses N              how many nodes may join with it (default: 1)\n"
	"  --tag T               marks whoever joins with it; may be repeated\n"
	"  --ephemeral           whoever joins with it comes and goes: a day after it was last\n"
	"                        there it is a member no more\n"
	"  --admin               whoever joins with it is an admin; on the root key's node, one "
	"use\n"
	"  --node-name NAME      whoever joins with it has this name\n"
	"  --address ADDR        whoever joins with it has this overlay address; one IPv4, one "
	"IPv6\n"
	"  --replace NODE        whoever joins with it takes the name and the addresses of that\n"
	"                        node, which is revoked by the same act: for a machine that was\n"
	"                        set up anew\n"
	"  --endpoint HOST:PORT  where to knock first (default: this node's own addresses); may "
	"be\n"
	"                        repeated; a name is resolved now\n"
	"\n"
	"Example, a token for five hosts, good for a week:\n"
	"  meshctl invite --uses 5 --expires 7d --tag site-b > token\n";

static void render(struct cli *cli, const json_t *result)
{
	int64_t expires_ms = human_parse_time(model_text(result, "expires", ""));
	int64_t uses = model_number(result, "uses", 1);
	char span[HUMAN_SIZE];

	fprintf(cli->screen.out, "%s\n", model_text(result, "token", ""));
	if (!cli->screen.terminal || !isatty(STDERR_FILENO))
		return;
	fflush(cli->screen.out);
	/* Half a second more than is left, so that a fresh token's hour is shown as one. */
	fprintf(stderr,
		"\nGood for %s and %lld %s. On the new host: `meshctl join -`, and paste it "
		"there.\n"
		"`meshctl uninvite %.8s` withdraws it.\n",
		human_span(expires_ms - cli->now_ms + 500, span), (long long)uses,
		uses == 1 ? "node" : "nodes", model_text(result, "id", ""));
}

const struct verb verb_invite = {
	.name = "invite",
	.arguments = "[--expires D] [--uses N] [--tag T]... [--ephemeral] [--admin]\n"
		     "                      [--node-name NAME] [--address ADDR]... [--endpoint "
		     "HOST:PORT]...\n"
		     "                      [--replace NODE]",
	.summary = "mint a join token (admins only)",
	.help = help,
	.ipc = IPC_VERB_INVITE,
	.options =
		{
			{"expires", VERB_DURATION, IPC_ARG_EXPIRES_MS},
			{"uses", VERB_COUNT, IPC_ARG_USES},
			{"tag", VERB_LIST, IPC_ARG_TAGS},
			{"ephemeral", VERB_FLAG, IPC_ARG_EPHEMERAL},
			{"admin", VERB_FLAG, IPC_ARG_ADMIN},
			{"node-name", VERB_TEXT, IPC_ARG_NODE_NAME},
			{"address", VERB_ADDRESS, IPC_ARG_ADDRESSES},
			{"endpoint", VERB_ENDPOINT, IPC_ARG_ENDPOINTS},
			{"replace", VERB_TEXT, IPC_ARG_REPLACE},
		},
	.render = render,
};
