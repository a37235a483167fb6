#include "cli/verb.h"

#include <stdlib.h>
#include <time.h>

#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"

static const char help[] =
	"What happened, newest last: members coming and going, joins, "
	"revocations, addresses, keys.\n"
	"The daemon remembers the last 10,000 events since it was started. `by` is "
	"the id of the admin\n"
	"who did it, or the mesh's where it took the root key.\n"
	"\n"
	"  --follow   goes on as things happen, until interrupted\n"
	"\n"
	"Example:\n"
	"  meshctl --json events --follow\n";

/* In local time: an operator compares it with the clock on the wall. */
static void put_time(const struct screen *screen, const char *text)
{
	int64_t ms = human_parse_time(text);
	time_t seconds = (time_t)(ms / 1000);
	char local[40];
	struct tm tm;

	if (ms < 0 || !localtime_r(&seconds, &tm) ||
		strftime(local, sizeof(local), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		screen_put(screen, SCREEN_DIM, text);
		return;
	}
	screen_put(screen, SCREEN_DIM, local);
	fprintf(screen->out, ".%03d", (int)(ms % 1000));
}

/* Fields of their own, as `key=value`. */
static void put_fields(const struct screen *screen, const json_t *event)
{
	static const char *const shown[] = {"time", "event", "node", "from", "to", "cause", "by"};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)event, key, value)
	{
		bool told = false;
		char *text;

		for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
			told |= strcmp(shown[i], key) == 0;
		if (told)
			continue;
		text = memory_check(json_is_string(value)
					    ? memory_copy(json_string_value(value))
					    : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
									JSON_ENSURE_ASCII));
		fprintf(screen->out, "  %s=%s", key, text);
		free(text);
	}
}

static const char *node_name(const json_t *event, const char *key)
{
	const json_t *node = json_object_get(event, key);
	const char *name = model_text(node, "name", "");

	return *name ? name : model_text(node, "id", NULL);
}

static void put_event(const struct screen *screen, const json_t *event)
{
	const char *node = node_name(event, "node"), *by = model_text(event, "by", NULL);
	const char *from = model_text(event, "from", NULL), *to = model_text(event, "to", NULL);
	const char *cause = model_text(event, "cause", NULL);

	put_time(screen, model_text(event, "time", "-"));
	fputs("  ", screen->out);
	screen_put(screen, SCREEN_BOLD, model_text(event, "event", "-"));
	if (node)
		fprintf(screen->out, "  %.64s", node);
	if (from || to)
		fprintf(screen->out, "  %s -> %s", from ? from : "-", to ? to : "-");
	if (by)
		fprintf(screen->out, "  by %.8s", by);
	if (cause && *cause)
		fprintf(screen->out, "  (%s)", cause);
	put_fields(screen, event);
	fputc('\n', screen->out);
}

static int take_item(struct cli *cli, json_t *item)
{
	if (cli->json)
		cli_print_json(cli, item, true);
	else
		put_event(&cli->screen, item);
	/* Each as it comes: whoever reads may wait for this very one. */
	if (fflush(cli->screen.out) != 0)
		return cli_fail(CLI_FAILED, "cannot write to standard output");
	return CLI_DONE;
}

static int run(struct cli *cli, struct verb_call *call)
{
	bool follow = ipc_request_has(&call->request, IPC_ARG_FOLLOW);
	json_t *result;
	int status =
		cli_call(cli, &call->request, follow ? -1 : CLI_TIMEOUT_MS, take_item, &result);

	json_decref(result);
	return status;
}

const struct verb verb_events = {
	.name = "events",
	.arguments = "[--follow]",
	.summary = "what happened, newest last",
	.help = help,
	.ipc = IPC_VERB_EVENTS,
	.options = {{"follow", VERB_FLAG, IPC_ARG_FOLLOW}},
	.run = run,
};
