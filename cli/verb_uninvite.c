#include "cli/verb.h"

#include "cli/model.h"

static const char help[] = "Withdraws an invite: nobody joins with its token from now on. Who has "
			   "joined with it stays.\n"
			   "ID is the invite's id or a beginning of it that fits no other, as "
			   "`meshctl invites` shows.\n"
			   "\n"
			   "Example:\n"
			   "  meshctl uninvite 3f9c02aa\n";

static void render(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out, "Invite %.8s is withdrawn.\n", model_text(result, "id", ""));
}

const struct verb verb_uninvite = {
	.name = "uninvite",
	.arguments = "ID",
	.summary = "withdraw an invite",
	.help = help,
	.ipc = IPC_VERB_UNINVITE,
	.operands = {{"ID", VERB_REQUIRED, IPC_ARG_INVITE}},
	.render = render,
};
