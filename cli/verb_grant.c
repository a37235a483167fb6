#include "cli/verb.h"

#include "cli/describe.h"

static const char help[] =
	"Gives a member an office.\n"
	"\n"
	"  admin    it invites, revokes and configures. Only on the node that holds the root key\n"
	"  writer   it has the large quota of keys and values (admins have it anyway). On any\n"
	"           admin's node\n"
	"\n"
	"NODE is a name, an id, or a beginning of an id that fits no other.\n"
	"\n"
	"Example:\n"
	"  meshctl grant beta admin\n";

static void render(struct cli *cli, const json_t *result)
{
	describe_outcome(cli, result, "has the office");
}

const struct verb verb_grant = {
	.name = "grant",
	.arguments = "NODE admin|writer",
	.summary = "make a member an admin or a writer",
	.help = help,
	.ipc = IPC_VERB_GRANT,
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE},
		{"admin|writer", VERB_REQUIRED, IPC_ARG_OFFICE}},
	.render = render,
};
