#include "cli/verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/describe.h"
#include "cli/echo.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "gossip/base/text.h"

#define COUNT_DEFAULT 4
#define INTERVAL_MS   1000
#define ANSWER_MS     1000 /* that each layer may take in each round */

static const char help[] =
	"Asks NODE on every layer, once a second: over gossip, which is meshd to meshd over the\n"
	"underlay, and over the overlay, by echoes to each of its addresses through WireGuard. "
	"Then\n"
	"says how many were answered and how fast.\n"
	"\n"
	"  --count N  so often (default 4); Ctrl-C ends it earlier\n"
	"\n"
	"The exit status is 0 when each layer was answered at least once, else 1: `meshctl why "
	"NODE`\n"
	"then says what is wrong. Echoes are sent with your rights: where you may send none "
	"(sysctl\n"
	"net.ipv4.ping_group_range), be root.\n"
	"\n"
	"Example:\n"
	"  meshctl ping beta\n"
	"  meshctl --json ping --count 1 beta | jq .layers\n";

enum layer { GOSSIP, IPV6, IPV4, LAYERS };

static const char *const layer_names[] = {[GOSSIP] = "gossip", [IPV6] = "ipv6", [IPV4] = "ipv4"};
static const char *const layer_titles[] = {[GOSSIP] = "gossip", [IPV6] = "IPv6", [IPV4] = "IPv4"};

struct counts {
	bool there; /* this layer is asked at all */
	int sent, received;
	double min_ms, max_ms, sum_ms;
	struct echo echo;   /* but for gossip's */
	const char *reason; /* why it could not be asked, the last time; NULL: it was */
};

struct ping {
	struct counts counts[LAYERS];
	json_t *rounds;
	json_t *last; /* what the daemon said last; borrowed from nobody */
};

/* ---- asking ---- */

static void add_answer(struct counts *counts, double ms)
{
	counts->min_ms = counts->received == 0 || ms < counts->min_ms ? ms : counts->min_ms;
	counts->max_ms = ms > counts->max_ms ? ms : counts->max_ms;
	counts->sum_ms += ms;
	counts->received++;
}

/* The daemon asks; its answer says more than that. */
static int ask_gossip(struct cli *cli, struct verb_call *call, struct ping *ping, double *ret_ms)
{
	json_t *result;
	char *error;
	int status =
		cli_try(cli, &call->request, ANSWER_MS + CLI_TIMEOUT_MS, NULL, &result, &error);

	if (status != CLI_DONE && interrupt_came() && ping->last)
		status = CLI_DONE;
	else if (status != CLI_DONE)
		cli_fail(status, "%s", error);
	free(error);
	if (!result)
		return status;
	json_decref(ping->last);
	ping->last = result;
	*ret_ms = model_real(result, "rtt_ms", -1);
	return CLI_DONE;
}

static const char *refusal(int err)
{
	return err == ERR_AUTH ? "you may send no echoes: run it as root" : strerror(errno);
}

static double ask_echo(struct counts *counts)
{
	double ms;
	int err = echo_ask(&counts->echo, 0, ANSWER_MS, &ms);

	counts->reason = err == ERR_SYSTEM && !interrupt_came() ? refusal(err) : NULL;
	return err == 0 ? ms : -1;
}

/* One for each overlay address of the node. */
static void open_echoes(struct ping *ping)
{
	const json_t *addresses = json_object_get(ping->last, "addresses");
	bool overlay = strcmp(model_text(ping->last, "backend", "none"), "none") != 0;
	char text[64];
	json_t *address;
	size_t i;

	json_array_foreach(addresses, i, address)
	{
		struct counts *counts;
		struct ip ip;
		int err;

		if (!overlay || !json_is_string(address) ||
			text_parse_ip(describe_address(json_string_value(address), text), &ip) != 0)
			continue;
		counts = &ping->counts[ip.family == 6 ? IPV6 : IPV4];
		if (counts->there)
			continue;
		counts->there = true;
		err = echo_open(&counts->echo, &ip);
		counts->reason = err != 0 ? refusal(err) : NULL;
	}
}

/* ---- showing ---- */

static void put_heading(struct cli *cli, const struct ping *ping)
{
	char *addresses = describe_addresses(ping->last, false);

	fprintf(cli->screen.out, "%s (%s), gossip at %s\n", model_text(ping->last, "name", "-"),
		addresses, model_text(ping->last, "reached", "no known address"));
	free(addresses);
}

static void put_round(struct cli *cli, const struct ping *ping, int round, const double *ms)
{
	char buf[HUMAN_SIZE];

	fprintf(cli->screen.out, "%3d", round);
	for (enum layer i = 0; i < LAYERS; i++) {
		const struct counts *counts = &ping->counts[i];

		if (!counts->there)
			continue;
		fprintf(cli->screen.out, "  %s ", layer_titles[i]);
		if (ms[i] >= 0)
			fprintf(cli->screen.out, "%-8s", human_rtt(ms[i], buf));
		else
			screen_put(&cli->screen, SCREEN_BAD,
				counts->reason ? counts->reason : "nothing ");
	}
	fprintf(cli->screen.out, "  handshake %s\n",
		human_ago(model_text(json_object_get(ping->last, "wireguard"), "latest_handshake",
				  NULL),
			cli->now_ms, "not seen yet", buf));
	fflush(cli->screen.out);
}

static void put_statistics(struct cli *cli, const struct ping *ping)
{
	char least[HUMAN_SIZE], mean[HUMAN_SIZE], most[HUMAN_SIZE];

	fputc('\n', cli->screen.out);
	for (enum layer i = 0; i < LAYERS; i++) {
		const struct counts *counts = &ping->counts[i];

		if (!counts->there)
			continue;
		fprintf(cli->screen.out, "%-6s  %d of %d answered", layer_titles[i],
			counts->received, counts->sent);
		if (counts->received > 0)
			fprintf(cli->screen.out, "; least %s, mean %s, most %s",
				human_rtt(counts->min_ms, least),
				human_rtt(counts->sum_ms / counts->received, mean),
				human_rtt(counts->max_ms, most));
		else if (counts->reason)
			fprintf(cli->screen.out, ": %s", counts->reason);
		fputc('\n', cli->screen.out);
	}
}

static json_t *milliseconds(double ms)
{
	return ms < 0 ? json_null() : json_real(ms);
}

static void keep_round(struct ping *ping, const double *ms)
{
	json_t *round = memory_check(json_object());

	for (enum layer i = 0; i < LAYERS; i++) {
		char *key = memory_format("%s_ms", layer_names[i]);

		if (ping->counts[i].there)
			json_object_set_new(round, key, milliseconds(ms[i]));
		free(key);
	}
	json_array_append_new(ping->rounds, round);
}

static void print_json(struct cli *cli, const struct ping *ping)
{
	json_t *layers = memory_check(json_object()), *all;

	for (enum layer i = 0; i < LAYERS; i++) {
		const struct counts *counts = &ping->counts[i];
		bool any = counts->received > 0;

		if (!counts->there)
			continue;
		json_object_set_new(layers, layer_names[i],
			memory_check(json_pack("{s:i, s:i, s:o, s:o, s:o, s:s?}", "sent",
				counts->sent, "received", counts->received, "min_ms",
				milliseconds(any ? counts->min_ms : -1), "mean_ms",
				milliseconds(any ? counts->sum_ms / counts->received : -1),
				"max_ms", milliseconds(any ? counts->max_ms : -1), "reason",
				counts->reason)));
	}
	all = memory_check(json_pack(
		"{s:O, s:O, s:o}", "node", ping->last, "rounds", ping->rounds, "layers", layers));
	cli_print_json(cli, all, false);
	json_decref(all);
}

/* ---- all of it ---- */

static void wait_until(struct timespec *next)
{
	next->tv_sec += INTERVAL_MS / 1000;
	while (!interrupt_came() &&
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

/* An interruption ends it: what was not asked by then does not count. */
static int ask_round(struct cli *cli, struct verb_call *call, struct ping *ping, double *ret_ms)
{
	bool first = !ping->last;
	int status = ask_gossip(cli, call, ping, &ret_ms[GOSSIP]);

	if (status != CLI_DONE)
		return status;
	if (first) {
		ping->counts[GOSSIP].there = true;
		open_echoes(ping);
		if (!cli->json)
			put_heading(cli, ping);
	}
	for (enum layer i = 0; i < LAYERS; i++) {
		struct counts *counts = &ping->counts[i];

		if (!counts->there || (i != GOSSIP && interrupt_came()))
			continue;
		counts->sent++;
		if (i != GOSSIP && counts->echo.fd >= 0)
			ret_ms[i] = ask_echo(counts);
		if (ret_ms[i] >= 0)
			add_answer(counts, ret_ms[i]);
	}
	return CLI_DONE;
}

static int run_rounds(struct cli *cli, struct verb_call *call, struct ping *ping)
{
	int count = call->times ? call->times : COUNT_DEFAULT;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int round = 1; round <= count && !interrupt_came(); round++) {
		double ms[LAYERS] = {-1, -1, -1};
		int status = ask_round(cli, call, ping, ms);

		if (status != CLI_DONE)
			return status;
		cli_look_at_clock(cli);
		keep_round(ping, ms);
		if (!cli->json && !interrupt_came())
			put_round(cli, ping, round, ms);
		if (round < count)
			wait_until(&next);
	}
	return CLI_DONE;
}

static int verdict(const struct ping *ping)
{
	const char *name = model_text(ping->last, "name", "-");

	for (enum layer i = 0; i < LAYERS; i++) {
		if (ping->counts[i].sent > 0 && ping->counts[i].received == 0)
			return cli_fail(CLI_FAILED,
				"%s does not answer over %s: `meshctl why %s` says how far it gets",
				name, layer_titles[i], name);
	}
	return CLI_DONE;
}

static int run(struct cli *cli, struct verb_call *call)
{
	struct ping ping = {.rounds = memory_check(json_array())};
	int status;

	for (enum layer i = 0; i < LAYERS; i++)
		ping.counts[i].echo.fd = -1;
	interrupt_take();
	ipc_request_set_number(&call->request, IPC_ARG_TIMEOUT_MS, ANSWER_MS);
	status = run_rounds(cli, call, &ping);
	if (status == CLI_DONE) {
		if (cli->json)
			print_json(cli, &ping);
		else
			put_statistics(cli, &ping);
		status = verdict(&ping);
	}
	for (enum layer i = 0; i < LAYERS; i++)
		echo_close(&ping.counts[i].echo);
	json_decref(ping.last);
	json_decref(ping.rounds);
	return status;
}

const struct verb verb_ping = {
	.name = "ping",
	.arguments = "[--count N] NODE",
	.summary = "reach a node over gossip and over the overlay",
	.help = help,
	.ipc = IPC_VERB_PING,
	.options = {{"count", VERB_TIMES, 0}},
	.operands = {{"NODE", VERB_REQUIRED, IPC_ARG_NODE}},
	.run = run,
};
