/*
 * The guard on its own, as the daemon's loop drives it, for tests that play its owner and the
 * strangers:
 *
 *	netns-guard_drive INTERFACE
 *
 * Reads commands from stdin, answers each with one line; at the end of stdin it exits and leaves
 * the table as it is.
 *
 *	want [prefix PREFIX|vni N|source N ADDRESS]...	what is wanted from now on: "ok"
 *	show		the state of each VNI, the problem and the counters as JSON
 *	cleanup		takes the table away: "ok" or "failed"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/recon_guard.h"
#include "gossip/base/text.h"

#define LINE_SIZE (1 << 20) /* some ten thousand sources */

static uv_loop_t loop;
static uv_poll_t input;
static struct recon_faults faults;
static struct recon_guard *guard;
static struct guard_want want;
static char line[LINE_SIZE];
static size_t used;

static void die(const char *what)
{
	fprintf(stderr, "guard_drive: %s\n", what);
	exit(1);
}

static uint32_t number(const char *word)
{
	if (!word)
		die("a number is missing");
	return strtoul(word, NULL, 10);
}

static void take_want(char **rest)
{
	const char *word, *text;
	uint32_t vni;
	struct ip ip;
	int err;

	guard_want_done(&want);
	while ((word = strtok_r(NULL, " ", rest))) {
		if (strcmp(word, "prefix") == 0 && want.prefix_count < GUARD_PREFIXES_MAX) {
			text = strtok_r(NULL, " ", rest);
			err = text_parse_prefix(text, false, &want.prefixes[want.prefix_count++]);
		} else if (strcmp(word, "vni") == 0) {
			err = guard_want_vni(&want, number(strtok_r(NULL, " ", rest)));
		} else {
			vni = number(strtok_r(NULL, " ", rest));
			err = text_parse_ip(strtok_r(NULL, " ", rest), &ip);
			if (!err)
				err = guard_want_source(&want, vni, &ip);
		}
		if (err)
			die(err_text(err));
	}
	guard_want_sort(&want);
}

static void show(void)
{
	static const char *const names[] = {[RECON_GUARD_PENDING] = "pending",
		[RECON_GUARD_COVERED] = "covered",
		[RECON_GUARD_OPEN] = "open"};
	const char *problem = recon_guard_problem(guard);
	struct guard_counters counters;

	recon_guard_counters(guard, &counters);
	printf("{\"states\": {");
	for (size_t i = 0; i < want.vni_count; i++)
		printf("%s\"%u\": \"%s\"", i ? ", " : "", want.vnis[i],
			names[recon_guard_state(guard, want.vnis[i])]);
	printf("}, \"problem\": \"%s\", \"stray\": %lu, \"unattached\": %lu, \"truncated\": %lu, "
	       "\"spoofed\": %lu}\n",
		problem ? problem : "", counters.stray, counters.unattached, counters.truncated,
		counters.spoofed);
}

static void command(char *text, const char *interface)
{
	char *rest;
	const char *word = strtok_r(text, " ", &rest);
	struct config config;

	if (word && strcmp(word, "want") == 0) {
		take_want(&rest);
		snprintf(want.interface, sizeof(want.interface), "%s", interface);
		if (recon_guard_want(guard, &want))
			die("out of memory");
		puts("ok");
	} else if (word && strcmp(word, "show") == 0) {
		show();
	} else {
		config_defaults(&config);
		snprintf(config.interface, sizeof(config.interface), "%s", interface);
		puts(recon_guard_cleanup(&config) ? "failed" : "ok");
	}
	fflush(stdout);
}

static void input_ready(uv_poll_t *poll, int status, int events)
{
	ssize_t size = read(0, line + used, sizeof(line) - used);
	char *end;

	(void)status;
	(void)events;
	if (size <= 0) {
		uv_close((uv_handle_t *)poll, NULL);
		recon_guard_stop(guard);
		return;
	}
	used += size;
	end = memchr(line, '\n', used);
	if (!end && used == sizeof(line))
		die("a line too long");
	if (!end)
		return;
	*end = '\0'; /* whoever asks waits for the answer before the next line */
	used = 0;
	command(line, poll->data);
}

static void changed(void *arg)
{
	(void)arg;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: netns-guard_drive INTERFACE");
	log_set_level(CONFIG_LEVEL_DEBUG);
	if (uv_loop_init(&loop) || recon_guard_new(&loop, &faults, changed, NULL, &guard) ||
		uv_poll_init(&loop, &input, 0))
		die("cannot start");
	input.data = argv[1];
	uv_poll_start(&input, UV_READABLE, input_ready);
	uv_run(&loop, UV_RUN_DEFAULT);
	recon_guard_free(guard);
	guard_want_done(&want);
	return uv_loop_close(&loop) ? 1 : 0;
}
