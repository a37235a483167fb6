#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/memory.h"

/* One byte more than may be there, and a NUL. */
#define LINE_SIZE (PASSPHRASE_MAX + 2)

/* Whoever is asked may leave it at that. */
static const int signals[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};

static volatile sig_atomic_t came;

static void on_signal(int number)
{
	came = number; /* it ends the read, so that the terminal is put right first */
}

/* Up to the end of the line, without it; signals of `heard`, where that is not NULL, come while it
 * waits only, so that none is lost between a look and a wait. -1: see errno. */
static ssize_t read_line(int fd, const sigset_t *heard, char line[LINE_SIZE])
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	size_t size = 0;

	while (size < LINE_SIZE - 1) {
		ssize_t got = heard && ppoll(&poller, 1, NULL, heard) < 0 ? -1 : 1;

		if (got > 0)
			got = read(fd, line + size, 1);

		if (got < 0)
			return -1;
		if (got == 0 || line[size] == '\n')
			break;
		size++;
	}
	line[size] = '\0';
	return (ssize_t)size;
}

static ssize_t prompt(int terminal, const char *text, char line[LINE_SIZE])
{
	struct sigaction quiet = {.sa_handler = on_signal}, before[ARRAY_SIZE(signals)];
	struct termios shown, hidden;
	sigset_t held, mask;
	ssize_t size = -1;
	int saved;

	if (tcgetattr(terminal, &shown) != 0)
		return -1;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &quiet, &before[i]);
	/* hidden before it is asked: what is typed early is neither shown nor lost */
	if (tcsetattr(terminal, TCSAFLUSH, &hidden) == 0) {
		if (write(terminal, text, strlen(text)) >= 0)
			size = read_line(terminal, &mask, line);
		saved = errno;
		tcsetattr(terminal, TCSAFLUSH, &shown);
		if (write(terminal, "\n", 1) < 0)
			size = -1;
		errno = saved;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (came)
		(void)raise(came);
	return size;
}

static int check(const char *verb, const char *line, ssize_t size)
{
	/* what stands behind one would not count, and a file of random bytes be worth little */
	if (size > 0 && memchr(line, '\0', (size_t)size))
		return cli_fail(
			CLI_FAILED, "%s: a passphrase is text: no byte of it is zero", verb);
	if (size < PASSPHRASE_MIN)
		return cli_fail(CLI_FAILED, "%s: a passphrase has at least %d characters", verb,
			PASSPHRASE_MIN);
	if (size > PASSPHRASE_MAX)
		return cli_fail(
			CLI_FAILED, "%s: a passphrase has at most %d bytes", verb, PASSPHRASE_MAX);
	return CLI_DONE;
}

static int from_file(const char *verb, const char *path, char line[LINE_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read_line(fd, NULL, line);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	if (size < 0)
		return cli_fail(
			CLI_FAILED, "%s: --passphrase-file %s: %s", verb, path, strerror(saved));
	return check(verb, line, size);
}

static int from_terminal(const char *verb, bool twice, char line[LINE_SIZE])
{
	char *again = NULL;
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC), status;
	ssize_t size;

	if (terminal < 0)
		return cli_fail(CLI_FAILED,
			"%s: there is no terminal to ask for the passphrase on: give "
			"--passphrase-file FILE",
			verb);
	size = prompt(terminal, twice ? "New passphrase: " : "Passphrase: ", line);
	status = size < 0 ? cli_fail(CLI_FAILED, "%s: no passphrase: %s", verb, strerror(errno))
			  : check(verb, line, size);
	if (status == CLI_DONE && twice) {
		again = memory_check(sodium_malloc(LINE_SIZE));
		if (prompt(terminal, "The same again: ", again) < 0 || strcmp(again, line) != 0)
			status = cli_fail(CLI_FAILED, "%s: these are not the same", verb);
	}
	sodium_free(again);
	close(terminal);
	return status;
}

int passphrase_ask(const char *verb, const char *file, bool twice, char **ret)
{
	char *line;
	int status;

	if (sodium_init() < 0)
		return cli_fail(CLI_FAILED, "%s: libsodium has no randomness", verb);
	line = memory_check(sodium_malloc(LINE_SIZE));
	status = file ? from_file(verb, file, line) : from_terminal(verb, twice, line);
	if (status == CLI_DONE)
		*ret = line;
	else
		sodium_free(line);
	return status;
}

int passphrase_derive(
	const char *passphrase, const struct sealed_head *head, uint8_t ret_key[SEALED_KEY_SIZE])
{
	return crypto_pwhash_argon2id(ret_key, SEALED_KEY_SIZE, passphrase, strlen(passphrase),
		       head->salt, head->operations, (size_t)head->memory_kib * 1024,
		       crypto_pwhash_argon2id_ALG_ARGON2ID13) == 0
		       ? 0
		       : ERR_NOMEM;
}
