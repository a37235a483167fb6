/* meshd: the command line, and what a process owes before it holds keys. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config_file.h"
#include "daemon/daemon.h"
#include "daemon/ipc/ipc.h"
#include "daemon/log.h"

#define CONFIG_DEFAULT	  "/etc/meshd/meshd.conf"
#define STATE_DIR_DEFAULT "/var/lib/meshd"

enum mode { MODE_RUN, MODE_CHECK_CONFIG, MODE_CLEANUP, MODE_DONE, MODE_USAGE };

enum {
	OPTION_CONFIG = 256,
	OPTION_STATE_DIR,
	OPTION_SOCKET,
	OPTION_LOG_LEVEL,
	OPTION_CHECK_CONFIG,
	OPTION_CLEANUP,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
	{"cleanup", no_argument, NULL, OPTION_CLEANUP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static const char help[] =
	"Usage: meshd [OPTION]...\n"
	"One node of a WireGuard mesh that needs no server. Runs in the foreground; meshctl talks "
	"to "
	"it.\n\n"
	"  --config FILE      settings (default " CONFIG_DEFAULT ", which may be absent)\n"
	"  --state-dir DIR    keys and database (default " STATE_DIR_DEFAULT ")\n"
	"  --socket PATH      where meshctl finds it (default " IPC_SOCKET_DEFAULT ")\n"
	"  --log-level LEVEL  error, warn, info or debug; wins over the file\n"
	"  --check-config     say whether the settings are right, and end\n"
	"  --cleanup          with no daemon running: take down the overlay that it left up\n"
	"  --version          say which version this is\n"
	"  --help             say this\n\n"
	"SIGTERM ends it and leaves the overlay up; SIGHUP reads the settings again.\n\n"
	"Example: meshd --config lab.conf --state-dir /tmp/lab --socket /tmp/lab.sock\n";

static bool set_path(const char *option, const char *value, char ret[DAEMON_PATH_SIZE])
{
	/* Room for the names of files in a directory. */
	if (!*value || strlen(value) >= DAEMON_PATH_SIZE - 64) {
		fprintf(stderr, "meshd: --%s wants a path of 1 to %d bytes\n", option,
			DAEMON_PATH_SIZE - 65);
		return false;
	}
	strcpy(ret, value);
	return true;
}

static enum mode take_option(
	int option, const char *value, struct daemon_options *options, enum mode mode)
{
	switch (option) {
	case OPTION_CONFIG:
		options->config_named = true;
		return set_path("config", value, options->config) ? mode : MODE_USAGE;
	case OPTION_STATE_DIR:
		return set_path("state-dir", value, options->state_dir) ? mode : MODE_USAGE;
	case OPTION_SOCKET:
		return set_path("socket", value, options->socket) ? mode : MODE_USAGE;
	case OPTION_LOG_LEVEL:
		options->has_level = true;
		if (!config_parse_level(value, &options->level))
			return mode;
		fprintf(stderr, "meshd: --log-level %s: it is error, warn, info or debug\n", value);
		return MODE_USAGE;
	case OPTION_CHECK_CONFIG:
		return MODE_CHECK_CONFIG;
	case OPTION_CLEANUP:
		return MODE_CLEANUP;
	case OPTION_VERSION:
		printf("meshd " MESHD_VERSION "\n");
		return MODE_DONE;
	case OPTION_HELP:
		fputs(help, stdout);
		return MODE_DONE;
	default:
		return MODE_USAGE; /* getopt_long has said why */
	}
}

static enum mode parse_options(int argc, char **argv, struct daemon_options *ret)
{
	enum mode mode = MODE_RUN;
	int option;

	*ret = (struct daemon_options){
		.config = CONFIG_DEFAULT,
		.state_dir = STATE_DIR_DEFAULT,
		.socket = IPC_SOCKET_DEFAULT,
	};
	while (mode != MODE_DONE && mode != MODE_USAGE &&
		(option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		mode = take_option(option, optarg, ret, mode);
	if (optind < argc && mode != MODE_DONE && mode != MODE_USAGE) {
		fprintf(stderr, "meshd: %s: it takes no arguments\n", argv[optind]);
		mode = MODE_USAGE;
	}
	if (mode == MODE_USAGE)
		fprintf(stderr, "`meshd --help` says how it is used.\n");
	return mode;
}

/* Else the first files and sockets that are opened would be what is logged to and inherited as a
 * child's output. */
static bool fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* Keys are in memory: nobody else's debugger, no core file; and no file of ours is for others. */
static void protect(void)
{
	const struct rlimit none = {0, 0};

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	/* Small, not fast: one arena, and what is freed goes back, a buffer of its own pages at
	 * once; names are resolved by one thread. Other C libraries are small by themselves. */
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	mallopt(M_MMAP_THRESHOLD, 32 * 1024);
#endif
	setenv("UV_THREADPOOL_SIZE", "1", 0);
	/* Our end waits for a look-up that is under way; another one comes every minute. */
	setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
}

int main(int argc, char **argv)
{
	char error[CONFIG_FILE_ERROR_SIZE];
	struct daemon_options options;
	struct config config;
	enum mode mode;

	if (!fill_standard_descriptors())
		return 1;
	mode = parse_options(argc, argv, &options);
	if (mode == MODE_USAGE)
		return 2;
	if (mode == MODE_DONE)
		return 0;
	protect();
	if (config_file_read(options.config, options.config_named, &config, error)) {
		fprintf(stderr, "meshd: %s\n", error);
		return 1;
	}
	if (mode == MODE_CHECK_CONFIG) {
		printf("%s: %s\n", options.config,
			access(options.config, F_OK) ? "absent, every setting has its default"
						     : "right");
		return 0;
	}
	if (sodium_init() < 0) {
		fprintf(stderr, "meshd: libsodium has no randomness\n");
		return 1;
	}
	log_init(options.has_level ? options.level : config.level);
	return mode == MODE_CLEANUP ? daemon_cleanup(&options, &config)
				    : daemon_run(&options, &config);
}
