#include "cli/verb.h"

#include "cli/describe.h"

static const char help[] =
	"Takes an office back; the node stays a member.\n"
	"\n"
	"An admin's is taken back for good, on the node that holds the root key only. All that is\n"
	"known of what the admin signed stands: its invites, and with them whom they let in, its\n"
	"revocations, keeps, and keys under mesh/. What it signs from now on counts for nothing, "
	"nor\n"
	"does what it signed and nobody here knows of.\n"
	"\n"
	"  --except ID   drops what it signed about that: an invite (its id, as `meshctl invites`\n"
	"                shows; whom it let in is no member any more), a node that it revoked, "
	"kept\n"
	"                or made a writer (its id or name), or a key under mesh/. May be "
	"repeated,\n"
	"                and several may follow it; '*' is all that it signed\n"
	"\n"
	"NODE is a name, an id, or a beginning of an id that fits no other.\n"
	"\n"
	"Example, of an admin whose machine was stolen and has minted an invite since:\n"
	"  meshctl ungrant beta admin --except 3f9c02aa\n";

static void render(struct cli *cli, const json_t *result)
{
	describe_outcome(cli, result, "has the office no more");
}

const struct verb verb_ungrant = {
	.name = "ungrant",
	.arguments = "NODE admin|writer [--except ID]...",
	.summary = "take an office back",
	.help = help,
	.ipc = IPC_VERB_UNGRANT,
	.options = {{"except", VERB_SEVERAL, IPC_ARG_EXCEPT}},
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE},
		{"admin|writer", VERB_REQUIRED, IPC_ARG_OFFICE}},
	.render = render,
};
