#include "cli/verb.h"

#include "cli/model.h"

#define ROTATE_TIMEOUT_MS 40000 /* the daemon answers within 30 s */

static const char help[] =
	"Gives this node a new WireGuard key without losing traffic: the key is announced, every\n"
	"member installs it beside the present one, and then this node switches. That takes less\n"
	"than a second where all members answer. One whose tunnel is in use but whose meshd does\n"
	"not answer is waited for, as its tunnel would break: after 30 s this returns, says for\n"
	"whom, and the rotation goes on by itself. meshd rotates by itself as well "
	"(`rotate-every`\n"
	"in [wireguard], 30d).\n"
	"\n"
	"  --force   wait 2 s at most: tunnels to members whose meshd is down break until it is "
	"back\n"
	"\n"
	"Example:\n"
	"  meshctl rotate\n";

static void render(struct cli *cli, const json_t *result)
{
	const json_t *waiting = json_object_get(result, "waiting");
	const json_t *member;
	size_t i;

	if (model_true(result, "rotated")) {
		fprintf(cli->screen.out, "This node's WireGuard key is now %s\n",
			model_text(result, "wireguard_public_key", "?"));
		return;
	}
	fputs("The next WireGuard key is announced, and this node switches to it by itself",
		cli->screen.out);
	if (json_array_size(waiting) == 0)
		fputs(" soon.\n", cli->screen.out);
	else
		fputs(" once these members\nhave installed it (start meshd there, or do not wait: "
		      "`meshctl rotate --force`):\n",
			cli->screen.out);
	json_array_foreach(waiting, i, member)
		fprintf(cli->screen.out, "  %s (%.8s): %s\n", model_text(member, "name", "?"),
			model_text(member, "id", ""), model_text(member, "state", "?"));
}

const struct verb verb_rotate = {
	.name = "rotate",
	.arguments = "[--force]",
	.summary = "replace this node's WireGuard key without losing traffic",
	.help = help,
	.ipc = IPC_VERB_ROTATE,
	.options = {{"force", VERB_FLAG, IPC_ARG_FORCE}},
	.timeout_ms = ROTATE_TIMEOUT_MS,
	.render = render,
};
