#include "cli/verb.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/describe.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/table.h"

#define PICTURE_SIZE (256 * 1024) /* bytes: more than a screen shows */

static const char help[] =
	"This node, its mesh and every member of it, at a glance. Members that left or were "
	"revoked\n"
	"are listed for 24 hours. On a narrow terminal only the IPv4 addresses are shown.\n"
	"\n"
	"  --watch   again every second, until interrupted\n"
	"\n"
	"STATE is what this node knows of a member's daemon: alive, suspect (does not answer, "
	"others\n"
	"are asked), dead (tunnels stay up: the data plane does not depend on it), left, revoked.\n"
	"ENDPOINT, HANDSHAKE, RX and TX are WireGuard's own view of the peer. A * marks admins.\n"
	"\n"
	"Example:\n"
	"  meshctl status\n"
	"  meshctl --json status | jq -r '.members[] | select(.state == \"dead\") | .name'\n";

static const struct {
	const char *state, *text;
} hints[] = {
	{"unjoined",
		"This node belongs to no mesh: `meshctl init` founds one, `meshctl join -` joins "
		"one with a token."},
	{"joining", "This node is joining a mesh."},
	{"leaving", "This node is leaving its mesh."},
	{"revoked",
		"This node was expelled from its mesh: `meshctl leave` forgets that mesh; a new "
		"token is needed to join again."},
};

static void put_node(struct cli *cli, const json_t *status)
{
	const json_t *node = json_object_get(status, "node");
	const char *state = model_text(status, "state", "-");
	char *addresses = describe_addresses(node, false);
	FILE *out = cli->screen.out;

	fputs("node       ", out);
	screen_put(&cli->screen, SCREEN_BOLD, model_text(node, "name", "-"));
	fputs(", ", out);
	screen_put(&cli->screen, describe_state(state), state);
	fprintf(out, "%s, meshd %s, id %.8s\n", model_true(node, "admin") ? ", admin" : "",
		model_text(node, "version", "-"), model_text(node, "id", "-"));
	if (json_array_size(json_object_get(node, "addresses")) > 0)
		fprintf(out, "addresses  %s\n", addresses);
	free(addresses);
}

/* How many members are in each state: "3 alive, 1 dead". */
static char *count_states(const json_t *members)
{
	static const char *const states[] = {"alive", "suspect", "dead", "left", "revoked"};
	char *text = NULL;

	for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
		size_t count = 0, i;
		json_t *member;
		char *one;

		json_array_foreach(members, i, member) count +=
			strcmp(model_text(member, "state", ""), states[s]) == 0;
		if (count == 0)
			continue;
		one = memory_format("%zu %s", count, states[s]);
		memory_join(&text, ", ", one);
		free(one);
	}
	return text ? text : memory_copy("");
}

static void put_mesh(struct cli *cli, const json_t *status)
{
	static const char *const known[] = {"name", "prefix4", "prefix6"};
	const json_t *mesh = json_object_get(status, "mesh");
	const json_t *members = json_object_get(status, "members");
	const json_t *store = json_object_get(status, "store");
	char size[HUMAN_SIZE], *states;

	if (!json_is_object(mesh))
		return;
	fputs("mesh       ", cli->screen.out);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const char *text = model_text(mesh, known[i], "");

		if (*text) /* a node that was expelled knows the id alone */
			fprintf(cli->screen.out, "%s, ", text);
	}
	fprintf(cli->screen.out, "id %.8s\n", model_text(mesh, "id", "-"));
	states = count_states(members);
	fprintf(cli->screen.out, "members    %s; %lld records, %s\n", states,
		(long long)model_number(store, "records", 0),
		human_bytes(model_real(store, "bytes", 0), size));
	free(states);
}

static void put_wireguard(struct cli *cli, const json_t *status)
{
	const json_t *wireguard = json_object_get(status, "wireguard");
	const char *backend = model_text(wireguard, "backend", "none");
	int64_t peers = model_number(wireguard, "peers", 0);

	if (!json_is_object(json_object_get(status, "mesh")))
		return;
	if (strcmp(backend, "none") == 0)
		fprintf(cli->screen.out, "wireguard  none: %s\n",
			model_true(wireguard, "up") ? "gossip only, no tunnels" : "not up");
	else if (json_is_false(json_object_get(wireguard, "up")))
		fprintf(cli->screen.out, "wireguard  %s (%s), not up\n",
			model_text(wireguard, "interface", "-"), backend);
	else
		fprintf(cli->screen.out, "wireguard  %s (%s), port %lld, MTU %lld, %lld %s\n",
			model_text(wireguard, "interface", "-"), backend,
			(long long)model_number(wireguard, "listen_port", 0),
			(long long)model_number(wireguard, "mtu", 0), (long long)peers,
			peers == 1 ? "peer" : "peers");
}

static void put_segments(struct cli *cli, const json_t *status)
{
	json_t *segment;
	size_t i;

	json_array_foreach(json_object_get(status, "l2"), i, segment)
	{
		bool attached = model_true(segment, "attached");
		int64_t members = model_number(segment, "members", 0);

		fprintf(cli->screen.out, "%s   %s, VNI %lld, %lld %s, ",
			i == 0 ? "segments" : "        ", model_text(segment, "name", "-"),
			(long long)model_number(segment, "vni", 0), (long long)members,
			members == 1 ? "member" : "members");
		if (!attached)
			fputs("not attached here\n", cli->screen.out);
		else if (model_true(segment, "up"))
			fprintf(cli->screen.out, "MTU %lld\n",
				(long long)model_number(segment, "mtu", 0));
		else
			fprintf(cli->screen.out, "not up: %s\n",
				model_text(segment, "problem", "it is being set up"));
	}
}

static bool is_past(const json_t *member)
{
	const char *state = model_text(member, "state", "");

	return strcmp(state, "left") == 0 || strcmp(state, "revoked") == 0;
}

/* This node first, then by name, and last those that are members no more. */
static int by_name(const void *a, const void *b)
{
	const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
	int order = model_true(right, "self") - model_true(left, "self");

	if (order == 0)
		order = is_past(left) - is_past(right);
	if (order == 0)
		order = strcmp(model_text(left, "name", ""), model_text(right, "name", ""));
	return order ? order : strcmp(model_text(left, "id", ""), model_text(right, "id", ""));
}

/* Where WireGuard's packets go; else where gossip reaches it. */
static const char *endpoint_of(const json_t *member)
{
	const json_t *first = json_array_get(json_object_get(member, "endpoints"), 0);
	const char *gossip = json_is_string(first) ? json_string_value(first) : "-";

	if (model_true(member, "self"))
		return "(this node)";
	return model_text(json_object_get(member, "wireguard"), "endpoint", gossip);
}

static void add_member(struct cli *cli, struct table *table, const json_t *member, bool brief)
{
	const json_t *wireguard = json_object_get(member, "wireguard");
	const char *state = model_text(member, "state", "-");
	double rtt_ms = model_real(member, "rtt_ms", -1);
	bool peer = model_text(wireguard, "public_key", NULL) && !model_true(member, "self");
	char *addresses = describe_addresses(member, brief);
	char buf[HUMAN_SIZE];

	table_add(table, is_past(member) ? SCREEN_DIM : SCREEN_PLAIN, "%s%s",
		model_text(member, "name", "-"), model_true(member, "admin") ? "*" : "");
	table_add(table, describe_state(state), "%s", state);
	table_add(table, SCREEN_PLAIN, "%s", addresses);
	table_add(table, SCREEN_PLAIN, "%s", endpoint_of(member));
	table_add(table, SCREEN_PLAIN, "%s", rtt_ms < 0 ? "-" : human_rtt(rtt_ms, buf));
	table_add(table, SCREEN_PLAIN, "%s",
		peer ? human_ago(model_text(wireguard, "latest_handshake", NULL), cli->now_ms,
			       "never", buf)
		     : "-");
	table_add(table, SCREEN_PLAIN, "%s",
		peer ? human_bytes(model_real(wireguard, "rx_bytes", 0), buf) : "-");
	table_add(table, SCREEN_PLAIN, "%s",
		peer ? human_bytes(model_real(wireguard, "tx_bytes", 0), buf) : "-");
	free(addresses);
}

static void make_table(
	struct cli *cli, struct table *table, json_t *const *members, size_t count, bool brief)
{
	table_init(table, "llllrlrr");
	table_heading(table, "NAME|STATE|ADDRESSES|ENDPOINT|RTT|HANDSHAKE|RX|TX");
	for (size_t i = 0; i < count; i++)
		add_member(cli, table, members[i], brief);
}

static void put_members(struct cli *cli, const json_t *status)
{
	const json_t *list = json_object_get(status, "members");
	size_t count = json_array_size(list), i;
	struct table table;
	json_t **members, *member;

	if (count == 0)
		return;
	members = memory_grow(NULL, count, sizeof(*members));
	json_array_foreach(list, i, member) members[i] = member;
	qsort(members, count, sizeof(*members), by_name);
	make_table(cli, &table, members, count, false);
	if (cli->screen.width && table_width(&table) > cli->screen.width) {
		table_done(&table);
		make_table(cli, &table, members, count, true);
	}
	fputc('\n', cli->screen.out);
	table_print(&table, &cli->screen);
	table_done(&table);
	free(members);
}

static void render(struct cli *cli, const json_t *status)
{
	const char *state = model_text(status, "state", "-");

	put_node(cli, status);
	put_mesh(cli, status);
	put_wireguard(cli, status);
	put_segments(cli, status);
	if (json_array_size(json_object_get(status, "warnings")) > 0)
		fputc('\n', cli->screen.out);
	describe_warnings(cli, status);
	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		if (strcmp(hints[i].state, state) == 0)
			fprintf(cli->screen.out, "\n%s\n", hints[i].text);
	}
	put_members(cli, status);
}

/* Over what stood there before, line by line: clearing the screen first would flicker. What does
 * not fit the screen is left out, as it would scroll the rest away. */
static void redraw(const struct screen *screen, const char *text)
{
	unsigned room = screen->height > 2 ? screen->height - 1 : UINT_MAX;

	fputs("\033[H", screen->out);
	while (*text && room-- > 0) {
		size_t size = strcspn(text, "\n");

		if (room == 0 && text[size] && text[size + 1])
			fputs("...\033[K\n", screen->out);
		else
			fprintf(screen->out, "%.*s\033[K\n", (int)size, text);
		text += size + (text[size] == '\n');
	}
	fputs("\033[J", screen->out);
}

/* One look; a daemon that is away for a while (a restart, an upgrade) is shown as that. */
static int look(struct cli *cli, struct verb_call *call)
{
	struct screen screen = cli->screen;
	char *error, *text = NULL;
	json_t *result;
	size_t size;
	int status = cli_try(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result, &error);

	if (status != CLI_DONE && interrupt_came()) {
		free(error);
		return CLI_DONE;
	}
	cli_look_at_clock(cli);
	cli->screen.out = memory_check(open_memstream(&text, &size));
	if (error) {
		screen_clean(error);
		fprintf(cli->screen.out, "%s\n", error);
	} else if (cli->json) {
		cli_print_json(cli, result, true);
	} else {
		render(cli, result);
	}
	fclose(cli->screen.out);
	cli->screen = screen;
	if (error && (cli->json || !screen.terminal)) {
		cli_fail(status, "%s", error);
	} else {
		if (screen.terminal && !cli->json)
			redraw(&screen, text);
		else
			fputs(text, screen.out);
		status = CLI_DONE;
	}
	free(text);
	free(error);
	json_decref(result);
	return status;
}

/* Each picture goes out in one piece, so that none is seen half drawn; without a cursor that jumps
 * about, which is brought back at the end. */
static void take_terminal(const struct screen *screen)
{
	(void)setvbuf(screen->out, NULL, _IOFBF, PICTURE_SIZE);
	interrupt_take();
	fputs("\033[?25l\033[2J", screen->out);
}

static int run(struct cli *cli, struct verb_call *call)
{
	bool drawn = cli->screen.terminal && !cli->json;
	int status;

	if (!call->watch)
		return verb_ask(cli, call);
	if (drawn)
		take_terminal(&cli->screen);
	do {
		screen_init(&cli->screen, stdout); /* the window may have another size now */
		status = look(cli, call);
		if (fflush(cli->screen.out) != 0)
			return cli_fail(CLI_FAILED, "cannot write to standard output");
	} while (status == CLI_DONE && !interrupt_came() && sleep(1) == 0);
	if (drawn)
		fputs("\033[?25h", cli->screen.out);
	return status;
}

const struct verb verb_status = {
	.name = "status",
	.arguments = "[--watch]",
	.summary = "this node, the mesh and every member, at a glance",
	.help = help,
	.ipc = IPC_VERB_STATUS,
	.options = {{"watch", VERB_WATCH, 0}},
	.render = render,
	.run = run,
};
