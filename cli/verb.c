#include "cli/verb.h"

#include <stdlib.h>

#include "cli/options.h"

static const struct verb *const verbs[] = {
	&verb_init,
	&verb_invite,
	&verb_invites,
	&verb_uninvite,
	&verb_join,
	&verb_leave,
	&verb_status,
	&verb_show,
	&verb_revoke,
	&verb_rotate,
	&verb_keep,
	&verb_grant,
	&verb_ungrant,
	&verb_events,
	&verb_discover,
	&verb_doctor,
	&verb_ping,
	&verb_why,
	&verb_debug_dump,
	&verb_root_export,
	&verb_root_forget,
	&verb_root_import,
	&verb_backup,
	&verb_restore,
	&verb_kv_put,
	&verb_kv_get,
	&verb_kv_del,
	&verb_kv_list,
	&verb_kv_watch,
	&verb_l2_create,
	&verb_l2_delete,
	&verb_l2_attach,
	&verb_l2_detach,
	&verb_l2_list,
};

const struct verb *verb_at(size_t index)
{
	return index < ARRAY_SIZE(verbs) ? verbs[index] : NULL;
}

bool verb_in_group(const struct verb *verb, const char *group)
{
	size_t size = strlen(group);

	return strncmp(verb->name, group, size) == 0 && verb->name[size] == ' ';
}

/* How many words its name has, where they are these; else 0. */
static int match(const struct verb *verb, int argc, char **argv)
{
	if (argc >= 1 && strcmp(verb->name, argv[0]) == 0)
		return 1;
	if (argc >= 2 && verb_in_group(verb, argv[0]) &&
		strcmp(verb->name + strlen(argv[0]) + 1, argv[1]) == 0)
		return 2;
	return 0;
}

const struct verb *verb_find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		int words = match(verbs[i], argc, argv);

		if (words) {
			*ret_words = words;
			return verbs[i];
		}
	}
	return NULL;
}

int verb_ask(struct cli *cli, struct verb_call *call)
{
	json_t *result;
	int status = cli_call(cli, &call->request, call->timeout_ms, NULL, &result);

	if (status != CLI_DONE)
		return status;
	if (cli->json)
		cli_print_json(cli, result, false);
	else
		call->verb->render(cli, result);
	json_decref(result);
	return CLI_DONE;
}

int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct verb_call call = {
		.verb = verb, .timeout_ms = verb->timeout_ms ? verb->timeout_ms : CLI_TIMEOUT_MS};
	bool help = false;
	int status = options_parse(cli, &call, argc, argv, &help);

	if (help)
		options_print_help(verb, cli->screen.out);
	else if (status == CLI_DONE)
		status = verb->run ? verb->run(cli, &call) : verb_ask(cli, &call);
	for (size_t i = 0; i < call.owned_count; i++)
		free(call.owned[i]);
	return status;
}
