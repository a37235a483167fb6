#include "cli/verb.h"

#include "cli/model.h"

static const char help[] = "Deletes an L2 segment for the whole mesh: every member takes its "
			   "bridge down and gives the\n"
			   "ports on it back. For admins.\n"
			   "\n"
			   "Example:\n"
			   "  meshctl l2 delete lan0\n";

static void render(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out, "Segment %s is deleted: every member that is attached detaches.\n",
		model_text(result, "name", "-"));
}

const struct verb verb_l2_delete = {
	.name = "l2 delete",
	.arguments = "NAME",
	.summary = "delete an L2 segment for the whole mesh",
	.help = help,
	.ipc = IPC_VERB_L2_DELETE,
	.operands = {{"NAME", VERB_REQUIRED, IPC_ARG_SEGMENT}},
	.render = render,
};
