#include <stdio.h>

#include "tests/support/cluster_internal.h"

static enum gossip_state state_of(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(c->nodes[node]->core, &status);
	return status.state;
}

static bool is_running(struct cluster *c, void *arg)
{
	return state_of(c, *(int *)arg) == GOSSIP_RUNNING;
}

static bool must(struct cluster *c, int node, int err, const char *what)
{
	if (err == 0)
		return true;
	fprintf(stderr, "n%d cannot %s: %s (%s)\n", node, what, err_text(err),
		gossip_error(c->nodes[node]->core));
	abort();
}

void cluster_found(struct cluster *c, int number)
{
	struct node *node = c->nodes[number];
	struct gossip_found found = {.prefix4 = c->options.prefix4,
		.root = &node->root,
		.mesh_name = "test",
		.node_name = "n0"};
	uint64_t ticket;

	must(c, number, gossip_found(node->core, cluster_node_time(c, number), &found, &ticket),
		"found");
	node->has_root = true;
	cluster_drain(c, number);
	if (!cluster_wait(c, 10000, is_running, &number))
		must(c, number, ERR_TIMEOUT, "found");
	node->joined = 0;
}

void cluster_invite(struct cluster *c, int number, unsigned uses, int64_t lifetime_ms,
	char text[TOKEN_TEXT_MAX])
{
	struct invite invite = {.uses = uses};
	uint64_t ticket;

	must(c, number,
		gossip_invite(c->nodes[number]->core, cluster_node_time(c, number), lifetime_ms,
			&invite, text, &ticket),
		"invite");
	cluster_drain(c, number);
	cluster_run(c, c->options.disk_ms + 1);
}

int cluster_join(struct cluster *c, int number, const char *token)
{
	char name[16];
	int err;

	snprintf(name, sizeof(name), "n%d", number);
	c->nodes[number]->joined = 1;
	err = gossip_join(c->nodes[number]->core, cluster_node_time(c, number), token, name,
		GOSSIP_JOIN_TIMEOUT_MS, false);
	cluster_drain(c, number);
	return err;
}

int cluster_joined(const struct cluster *c, int node)
{
	return c->nodes[node]->joined;
}

const char *cluster_joined_text(const struct cluster *c, int node)
{
	return c->nodes[node]->joined_text;
}

static bool join_is_over(struct cluster *c, void *arg)
{
	return c->nodes[*(int *)arg]->joined != 1;
}

void cluster_mesh(struct cluster *c, int count)
{
	char token[TOKEN_TEXT_MAX];

	cluster_found(c, cluster_add(c));
	cluster_invite(c, 0, (unsigned)count, 3600000, token);
	for (int i = 1; i < count; i++) {
		int node = cluster_add(c);

		must(c, node, cluster_join(c, node, token), "join");
		if (!cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS + 1000, join_is_over, &node))
			must(c, node, ERR_TIMEOUT, "join");
		must(c, node, c->nodes[node]->joined, c->nodes[node]->joined_text);
	}
}

int cluster_sees(struct cluster *c, int node, int other)
{
	struct gossip_member member;
	struct id id = cluster_id(c, other);

	return gossip_member(c->nodes[node]->core, &id, &member) ? (int)member.state : -1;
}

bool cluster_all_see(struct cluster *c, enum gossip_member_state state, int other)
{
	for (int i = 0; i < c->count; i++) {
		if (i != other && c->nodes[i]->up && state_of(c, i) == GOSSIP_RUNNING &&
			cluster_sees(c, i, other) != (int)state)
			return false;
	}
	return true;
}

struct view {
	int node;
	enum gossip_member_state state;
};

static bool all_see(struct cluster *c, void *arg)
{
	const struct view *view = arg;

	return cluster_all_see(c, view->state, view->node);
}

bool cluster_wait_seen(struct cluster *c, int64_t most_ms, int node, enum gossip_member_state state)
{
	struct view view = {node, state};

	return cluster_wait(c, most_ms, all_see, &view);
}

bool cluster_digests_equal(struct cluster *c, void *unused)
{
	struct gossip_status status, first = {.node = {{0}}};
	bool have = false;

	(void)unused;
	for (int i = 0; i < c->count; i++) {
		if (!c->nodes[i]->up)
			continue;
		gossip_status(c->nodes[i]->core, &status);
		if (status.state != GOSSIP_RUNNING)
			continue;
		if (!have)
			first = status;
		have = true;
		if (memcmp(first.digest, status.digest, DIGEST_SIZE) != 0)
			return false;
	}
	return true;
}

bool cluster_converged(struct cluster *c, void *unused)
{
	if (!cluster_digests_equal(c, unused))
		return false;
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i]->up && state_of(c, i) == GOSSIP_RUNNING &&
			!cluster_all_see(c, GOSSIP_MEMBER_ALIVE, i))
			return false;
	}
	return true;
}
