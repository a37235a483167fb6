#include "cli/verb.h"

#include "cli/model.h"

static const char help[] = "Detaches this host from an L2 segment: its bridge is taken down, the "
			   "ports on it are given\n"
			   "back. Detaching once more does nothing. From a segment that every "
			   "member attaches to (--auto)\n"
			   "no host can be detached alone.\n"
			   "\n"
			   "Example:\n"
			   "  meshctl l2 detach lan0\n";

static void render(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out,
		model_true(result, "was_attached") ? "This host is no longer on segment %s.\n"
						   : "This host was not on segment %s.\n",
		model_text(result, "name", "-"));
}

const struct verb verb_l2_detach = {
	.name = "l2 detach",
	.arguments = "NAME",
	.summary = "detach this host from an L2 segment",
	.help = help,
	.ipc = IPC_VERB_L2_DETACH,
	.operands = {{"NAME", VERB_REQUIRED, IPC_ARG_SEGMENT}},
	.timeout_ms = 20000,
	.render = render,
};
