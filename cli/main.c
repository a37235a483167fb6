/* meshctl: looks at a meshd and tells it what to do, over its Unix socket. */
#include <getopt.h>
#include <stdio.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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

/* All of them, or those of a group. */
static void list_verbs(FILE *out, const char *group)
{
	struct screen screen = {.out = out};
	const struct verb *verb;
	struct table table;

	table_init(&table, "ll");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (group && !verb_in_group(verb, group))
			continue;
		table_add(&table, SCREEN_PLAIN, "  %s", verb->name);
		table_add(&table, SCREEN_PLAIN, "%s", verb->summary);
	}
	table_print(&table, &screen);
	table_done(&table);
}

static void print_help(FILE *out)
{
	fputs(usage, out);
	fputs("\nVerbs:\n", out);
	list_verbs(out, NULL);
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
	if (socket && !*socket)
		return cli_fail(CLI_USAGE, "--socket wants the path of the daemon's socket");
	if (socket) {
		free(*path);
		*path = memory_copy(socket);
	}
	return ACTION_RUN;
}

/* The second words of a group's verbs; NULL: it is no group. */
static char *name_group(const char *group)
{
	const struct verb *verb;
	char *names = NULL;

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (verb_in_group(verb, group))
			memory_join(&names, ", ", verb->name + strlen(group) + 1);
	}
	return names;
}

/* What was meant by words that are no verb. */
static int explain(int argc, char **argv)
{
	bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
	int status = CLI_DONE;
	char *names;

	if (argc == 0) {
		fputs(usage, stderr);
		return cli_fail(CLI_USAGE, "which verb? `meshctl --help` lists them");
	}
	names = name_group(argv[0]);
	if (names && help)
		list_verbs(stdout, argv[0]);
	else if (names)
		status = cli_fail(CLI_USAGE, "%s: which one? %s %s", argv[0], argv[0], names);
	else
		status = cli_fail(
			CLI_USAGE, "no such verb: %s (`meshctl --help` lists them)", argv[0]);
	free(names);
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const struct verb *verb;
	int words;

	verb = verb_find(argc, argv, &words);
	return verb ? verb_run(cli, verb, argc - words + 1, argv + words - 1) : explain(argc, argv);
}

static void wipe_and_free(void *memory)
{
	if (memory)
		sodium_memzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* Tokens and passphrases are in memory: no core file, and nobody else's debugger; and what was
 * answered is wiped with the tree that it became. */
static void protect(void)
{
	const struct rlimit none = {0, 0};

	json_set_alloc_funcs(malloc, wipe_and_free);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv)
{
	const char *from_environment = getenv("MESHD_SOCKET");
	bool named = from_environment && *from_environment;
	char *path = memory_copy(named ? from_environment : IPC_SOCKET_DEFAULT);
	struct cli cli = {0};
	int status;

	protect();
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
