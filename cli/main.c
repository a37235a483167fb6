/* meshctl: looks at a meshd and tells it what to do, over its Unix socket. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/memory.h"
#include "cli/table.h"
#include "cli/verb.h"

static const char usage[] =
	"Usage: meshctl [--socket PATH | -i INSTANCE] [--json] VERB [ARGUMENTS]\n";

static const char about[] =
	"\nOptions:\n"
	"  --socket PATH  the daemon's socket (default: $MESHD_SOCKET, else " IPC_SOCKET_DEFAULT
	")\n"
	"  -i INSTANCE    the daemon meshd@INSTANCE, at /run/meshd/INSTANCE.sock\n"
	"  --json         one JSON document on standard output; for streams one a line\n"
	"  --help         this text; `meshctl VERB --help` says more about a verb\n"
	"  --version      which meshctl this is\n"
	"\n"
	"Colours are used on a terminal, unless NO_COLOR is set.\n"
	"\n"
	"Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 the daemon cannot be reached.\n"
	"\n"
	"Example, a mesh of two hosts:\n"
	"  alpha# meshctl init\n"
	"  alpha# meshctl invite\n"
	"  beta#  meshctl join -\n"
	"  beta#  meshctl status\n";

static void print_help(FILE *out)
{
	struct screen screen = {.out = out};
	struct table table;

	fputs(usage, out);
	fputs("\nVerbs:\n", out);
	table_init(&table, "ll");
	for (size_t i = 0; verb_at(i); i++) {
		table_add(&table, SCREEN_PLAIN, "  %s", verb_at(i)->name);
		table_add(&table, SCREEN_PLAIN, "%s", verb_at(i)->summary);
	}
	table_print(&table, &screen);
	table_done(&table);
	fputs(about, out);
}

/* The path of an instance's socket; the name goes into a path and a unit's name. */
static int name_instance(struct cli *cli, const char *instance, char **ret_path)
{
	size_t size = strlen(instance);

	if (size == 0 || size > 32 || instance[0] == '.' ||
		strspn(instance,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
			size)
		return cli_fail(CLI_USAGE,
			"'%s' is no name of an instance: letters, digits, '-', '_' "
			"and '.', at most 32",
			instance);
	free(*ret_path);
	*ret_path = memory_format(IPC_SOCKET_INSTANCE, instance);
	cli->instance = instance;
	return CLI_DONE;
}

enum { ACTION_RUN = -1 };

/* Options before the verb. ACTION_RUN, or the status to end with. */
static int take_options(struct cli *cli, int argc, char **argv, char **path)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	const char *socket = NULL;
	int which;

	opterr = 0;
	while ((which = getopt_long(argc, argv, "+:i:h", options, NULL)) != -1) {
		switch (which) {
		case 's':
			socket = optarg;
			break;
		case 'i':
			if (name_instance(cli, optarg, path) != CLI_DONE)
				return CLI_USAGE;
			break;
		case 'j':
			cli->json = true;
			break;
		case 'h':
			print_help(stdout);
			return CLI_DONE;
		case 'V':
			puts("meshctl " MESHD_VERSION);
			return CLI_DONE;
		case ':':
			return cli_fail(CLI_USAGE, "%s wants a value (see `meshctl --help`)",
				argv[optind - 1]);
		default:
			return cli_fail(CLI_USAGE, "no such option: %s (see `meshctl --help`)",
				argv[optind - 1]);
		}
	}
	if (socket && cli->instance)
		return cli_fail(
			CLI_USAGE, "--socket and -i both name the daemon: give one of them");
	if (socket) {
		free(*path);
		*path = memory_copy(socket);
	}
	return ACTION_RUN;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct verb *verb;

	if (argc == 0) {
		fputs(usage, stderr);
		return cli_fail(CLI_USAGE, "which verb? `meshctl --help` lists them");
	}
	verb = verb_find(argv[0]);
	if (!verb)
		return cli_fail(
			CLI_USAGE, "no such verb: %s (`meshctl --help` lists them)", argv[0]);
	return verb_run(cli, verb, argc, argv);
}

int main(int argc, char **argv)
{
	const char *from_environment = getenv("MESHD_SOCKET");
	bool named = from_environment && *from_environment;
	char *path = memory_copy(named ? from_environment : IPC_SOCKET_DEFAULT);
	struct cli cli = {0};
	int status;

	screen_init(&cli.screen, stdout);
	cli_look_at_clock(&cli);
	status = take_options(&cli, argc, argv, &path);
	if (status == ACTION_RUN) {
		cli.socket = path;
		status = run(&cli, argc - optind, argv + optind);
	}
	/* What could not be written has not been done: a token in a full file is lost. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_DONE)
		status = cli_fail(CLI_FAILED, "cannot write to standard output");
	free(path);
	return status;
}
