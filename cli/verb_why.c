#include "cli/verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/describe.h"
#include "cli/echo.h"
#include "cli/host.h"
#include "cli/human.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "gossip/base/text.h"

#define TRIES	  2 /* echoes to one address: the first may have to wait for a handshake */
#define ANSWER_MS 1500

static const char help[] =
	"Why this node and A, or A and B, can or cannot talk: one trace from cause to effect, in\n"
	"which each step is ok, failed or unknown and says what to do. Between this node and "
	"another\n"
	"that is membership, liveness, gossip, records, endpoints, interface, peer, handshake,\n"
	"routes, MTU, echoes over the overlay, firewalls and forwarding. Between two others it is "
	"what\n"
	"this node knows of both: run it on one of them for the rest.\n"
	"\n"
	"The exit status is 1 when a step has failed. Echoes are sent with your rights, as by "
	"ping.\n"
	"\n"
	"Example:\n"
	"  meshctl why beta\n"
	"  meshctl why beta gamma\n"
	"  meshctl --json why beta | jq .cause\n";

struct why {
	json_t *answer; /* the daemon's: from, to, steps */
	json_t *node;	/* what `ping` said of the other end; NULL: it was not asked */
	json_t *steps;	/* all, in order */
	bool echoed;	/* some echo came back */
	bool tried;	/* echoes were sent */
};

static json_t *step(
	const char *name, const char *about, const char *state, char *finding, const char *advice)
{
	json_t *made = memory_check(json_pack("{s:s, s:s?, s:s, s:s, s:s?}", "step", name, "about",
		about, "state", state, "finding", finding, "advice", advice));

	free(finding);
	return made;
}

static void add(
	struct why *why, const char *name, const char *state, char *finding, const char *advice)
{
	const char *about = model_text(json_object_get(why->answer, "to"), "name", NULL);

	json_array_append_new(why->steps, step(name, about, state, finding, advice));
}

static json_t *find(const struct why *why, const char *name)
{
	json_t *steps = json_object_get(why->answer, "steps"), *found;
	size_t i;

	json_array_foreach(steps, i, found)
	{
		if (strcmp(model_text(found, "step", ""), name) == 0)
			return found;
	}
	return NULL;
}

static bool is_in_state(const json_t *found, const char *state)
{
	return found && strcmp(model_text(found, "state", ""), state) == 0;
}

/* ---- what takes a packet to find out ---- */

static int ask_why(struct cli *cli, struct verb_call *call, struct why *why)
{
	json_decref(why->answer);
	why->answer = NULL;
	return cli_call(cli, &call->request, CLI_TIMEOUT_MS, NULL, &why->answer);
}

/* What gossip says now; a failure is a finding. */
static void ask_gossip(struct cli *cli, struct why *why)
{
	const json_t *to = json_object_get(why->answer, "to");
	struct ipc_request request;
	double rtt_ms;
	char buf[HUMAN_SIZE], *error = NULL;
	int err, status;

	ipc_request_init(&request, IPC_VERB_PING);
	err = ipc_request_set_text(&request, IPC_ARG_NODE, model_text(to, "id", ""));
	status = err == 0 ? cli_try(cli, &request, CLI_TIMEOUT_MS, NULL, &why->node, &error)
			  : CLI_FAILED;
	rtt_ms = status == CLI_DONE ? model_real(why->node, "rtt_ms", -1) : -1;
	if (status != CLI_DONE)
		add(why, "gossip", "unknown", memory_copy(error ? error : "it could not be asked"),
			NULL);
	else if (rtt_ms >= 0)
		add(why, "gossip", "ok",
			memory_format("its meshd answers now, at %s in %s",
				model_text(why->node, "reached", "-"), human_rtt(rtt_ms, buf)),
			NULL);
	else
		add(why, "gossip", "failed", memory_copy("its meshd does not answer now"),
			"there: does meshd run? between: are UDP and TCP to its gossip port let "
			"through?");
	free(error);
}

/* One packet as large as the overlay carries: what is in between may carry less. */
static void ask_large(struct why *why, struct echo *echo, const char *address)
{
	size_t mtu = (size_t)model_number(why->node, "mtu", 0);
	double ms;
	int err = ERR_TIMEOUT;

	for (int i = 0; mtu && i < TRIES && err == ERR_TIMEOUT; i++)
		err = echo_ask(echo, mtu, ANSWER_MS, &ms);
	if (mtu == 0)
		return;
	if (err == 0)
		add(why, "path-mtu", "ok",
			memory_format("packets of %zu bytes come through to %s", mtu, address),
			NULL);
	else if (err == ERR_TIMEOUT)
		add(why, "path-mtu", "failed",
			memory_format(
				"small packets come through to %s, those of %zu bytes do not: "
				"the network in between carries less than it says",
				address, mtu),
			"set `mtu` in [wireguard] lower on both (1280 always fits), and restart "
			"meshd: "
			"tunnels stay up");
	else
		add(why, "path-mtu", "unknown",
			memory_format("packets of %zu bytes to %s: %s", mtu, address,
				err == ERR_TOO_BIG ? "larger than this host's own interface carries"
						   : strerror(errno)),
			NULL);
}

static void ask_echo(struct why *why, const char *address, const struct ip *ip)
{
	struct echo echo;
	char buf[HUMAN_SIZE];
	double ms;
	int err = echo_open(&echo, ip), tries;

	if (err != 0) {
		add(why, "echo", "unknown",
			memory_format("%s: %s", address,
				err == ERR_AUTH ? "you may send no echoes" : strerror(errno)),
			err == ERR_AUTH ? "run it as root" : NULL);
		return;
	}
	/* Where another address is silent the handshake is not what this one waits for. */
	tries = why->tried && !why->echoed ? 1 : TRIES;
	why->tried = true;
	err = ERR_TIMEOUT;
	for (int i = 0; i < tries && err == ERR_TIMEOUT; i++)
		err = echo_ask(&echo, 0, ANSWER_MS, &ms);
	if (err == 0) {
		why->echoed = true;
		add(why, "echo", "ok",
			memory_format("%s answers through the overlay in %s", address,
				human_rtt(ms, buf)),
			NULL);
		ask_large(why, &echo, address);
	} else {
		add(why, "echo", "failed",
			memory_format("%s does not answer through the overlay%s%s", address,
				err == ERR_SYSTEM ? ": " : "",
				err == ERR_SYSTEM ? strerror(errno) : ""),
			NULL);
	}
	echo_close(&echo);
}

static void ask_echoes(struct why *why)
{
	const json_t *addresses = json_object_get(why->node, "addresses");
	char text[64];
	json_t *address;
	size_t i;

	if (strcmp(model_text(why->node, "backend", "none"), "none") == 0)
		return;
	json_array_foreach(addresses, i, address)
	{
		const char *plain = json_is_string(address)
					    ? describe_address(json_string_value(address), text)
					    : "";
		struct ip ip;

		if (text_parse_ip(plain, &ip) == 0 && (ip.family == 4 || host_has_ipv6()))
			ask_echo(why, plain, &ip);
	}
}

/* ---- what follows from it ---- */

static void conclude_firewall(struct why *why)
{
	bool session = is_in_state(find(why, "handshake"), "ok");

	if (why->echoed)
		add(why, "firewall", "ok",
			memory_copy(
				"echoes over the overlay are let through on both sides; whether "
				"other ports are, their services know"),
			NULL);
	else if (session && why->tried)
		add(why, "firewall", "failed",
			memory_copy("WireGuard has a session, and echoes through it do not come "
				    "back: a firewall here or there drops what comes over the "
				    "overlay's interface"),
			"here and there: `nft list ruleset`, `iptables-save`; accept from the "
			"overlay's interface");
	else
		add(why, "firewall", "unknown",
			memory_copy(
				"what firewalls do with the overlay shows only once WireGuard has "
				"a session"),
			NULL);
}

/* The daemon saw WireGuard a second ago; an echo that came back is later, and says it all. */
static void correct_handshake(const struct why *why)
{
	json_t *handshake = find(why, "handshake");

	if (!why->echoed || !handshake || is_in_state(handshake, "ok"))
		return;
	json_object_set_new(handshake, "state", json_string("ok"));
	json_object_set_new(handshake, "finding",
		json_string("WireGuard has a session: an echo came "
			    "back through it"));
	json_object_set_new(handshake, "advice", json_null());
}

static json_t *first_failed(const struct why *why)
{
	json_t *found;
	size_t i;

	json_array_foreach(why->steps, i, found)
	{
		if (is_in_state(found, "failed"))
			return found;
	}
	return NULL;
}

/* The daemon's steps, with what gossip answers now behind what it answered before. */
static void put_together(struct why *why, json_t *active)
{
	json_t *steps = json_object_get(why->answer, "steps"), *gossip, *found;
	size_t i;

	gossip = json_array_get(active, 0);
	why->steps = memory_check(json_array());
	json_array_foreach(steps, i, found)
	{
		json_array_append(why->steps, found);
		if (gossip && strcmp(model_text(found, "step", ""), "liveness") == 0)
			json_array_append(why->steps, gossip);
	}
	json_array_foreach(active, i, found)
	{
		if (i > 0)
			json_array_append(why->steps, found);
	}
	json_decref(active);
}

static int trace(struct cli *cli, struct verb_call *call, struct why *why)
{
	int status = ask_why(cli, call, why);
	json_t *active;

	if (status != CLI_DONE)
		return status;
	why->steps = active = memory_check(json_array());
	/* With two others, or one that is no member, there is no peer here. */
	if (find(why, "peer")) {
		ask_gossip(cli, why);
		ask_echoes(why);
		status = ask_why(cli, call, why); /* what WireGuard made of it */
		if (status != CLI_DONE)
			return status;
		correct_handshake(why);
	}
	put_together(why, active);
	if (find(why, "peer")) {
		conclude_firewall(why);
		json_array_append_new(why->steps,
			step("forwarding", NULL, "ok", host_describe_forwarding(), NULL));
	}
	return CLI_DONE;
}

/* ---- showing ---- */

/* What it comes to, in one line. */
static char *sum_up(const struct why *why)
{
	const char *from = model_text(json_object_get(why->answer, "from"), "name", "-");
	const char *to = model_text(json_object_get(why->answer, "to"), "name", "-");
	const json_t *cause = first_failed(why);
	const char *name = model_text(cause, "step", "-");

	if (!cause && why->echoed)
		return memory_format("%s and %s can talk.", from, to);
	if (!cause)
		return memory_format("Nothing is known to keep %s and %s from talking.", from, to);
	if (why->echoed)
		return memory_format(
			"%s and %s can talk; but something is wrong: %s.", from, to, name);
	return memory_format("%s and %s cannot talk. The first cause: %s.", from, to, name);
}

static void print_json(struct cli *cli, const struct why *why)
{
	json_t *reachable = why->echoed			      ? json_true()
			    : why->tried || first_failed(why) ? json_false()
							      : json_null();
	json_t *cause = first_failed(why);
	json_t *all = memory_check(json_pack("{s:O, s:O, s:o, s:O?, s:O}", "from",
		json_object_get(why->answer, "from"), "to", json_object_get(why->answer, "to"),
		"reachable", reachable, "cause", cause, "steps", why->steps));

	cli_print_json(cli, all, false);
	json_decref(all);
}

static void print(struct cli *cli, const struct why *why)
{
	char *text = sum_up(why);
	json_t *found;
	size_t i;

	json_array_foreach(why->steps, i, found) describe_finding(cli, found, "step", 7, 10);
	fprintf(cli->screen.out, "\n%s\n", text);
	free(text);
}

static int run(struct cli *cli, struct verb_call *call)
{
	struct why why = {.answer = NULL};
	int status = trace(cli, call, &why);

	if (status == CLI_DONE) {
		if (cli->json)
			print_json(cli, &why);
		else
			print(cli, &why);
		status = first_failed(&why) ? CLI_FAILED : CLI_DONE;
	}
	json_decref(why.answer);
	json_decref(why.node);
	json_decref(why.steps);
	return status;
}

const struct verb verb_why = {
	.name = "why",
	.arguments = "A [B]",
	.summary = "why two nodes can or cannot talk, step by step",
	.help = help,
	.ipc = IPC_VERB_WHY,
	.operands = {{"A", VERB_REQUIRED, IPC_ARG_NODE}, {"B", VERB_OPTIONAL, IPC_ARG_OTHER}},
	.run = run,
};
