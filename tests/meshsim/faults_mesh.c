/* Life that goes on meanwhile: joins, leaves, revocations, commands. */
#include "gossip/gossip_internal.h"
#include "tests/meshsim/faults_internal.h"

#define JOINERS_MAX  3
#define JOIN_TRIES   3
#define PERSISTED_MS 50 /* by then every disk has written */
#define ENDED_MAX    2	/* that leave, and that are revoked: somebody has to stay */

static bool is_running(struct faults *f, int node)
{
	struct gossip_status status;

	if (node < 0 || !faults_is_well(f, node))
		return false;
	gossip_status(cluster_core(f->cluster, node), &status);
	return status.state == GOSSIP_RUNNING;
}

/* Any node that is an admin and can say so. */
static int some_admin(struct faults *f)
{
	int count = cluster_count(f->cluster), first = faults_below(f, count);

	for (int i = 0; i < count; i++) {
		int node = (first + i) % count;
		struct gossip_status status;

		if (!is_running(f, node) || f->nodes[node].clone_of >= 0)
			continue;
		gossip_status(cluster_core(f->cluster, node), &status);
		if (status.admin)
			return node;
	}
	return -1;
}

/* ---- joins ---- */

static bool invite(struct faults *f, int admin, char token[TOKEN_TEXT_MAX], uint64_t *ret_ticket)
{
	struct invite invite = {.uses = 1 + (uint32_t)faults_below(f, 2)};
	int err;

	if (admin < 0)
		return false;
	if (admin == 0 && faults_chance(f, 0.3)) {
		invite.uses = 1;
		invite.admin = true;
	}
	err = gossip_invite(cluster_core(f->cluster, admin), faults_time(f, admin),
		faults_span_ms(f, 1000, 3600000), &invite, token, ret_ticket);
	cluster_drain(f->cluster, admin);
	return err == 0;
}

/* A new one, or one that has tried before. */
static int some_joiner(struct faults *f)
{
	for (int i = f->members; i < cluster_count(f->cluster); i++) {
		struct gossip_status status;

		if (f->nodes[i].clone_of >= 0 || !faults_is_well(f, i) ||
			f->nodes[i].joins >= JOIN_TRIES)
			continue;
		gossip_status(cluster_core(f->cluster, i), &status);
		if (status.state == GOSSIP_UNJOINED)
			return i;
	}
	if (f->joiners == JOINERS_MAX || cluster_count(f->cluster) >= INVARIANTS_NODES_MAX)
		return -1;
	f->joiners++;
	return cluster_add(f->cluster);
}

/* The operator is given the token when it is on the admin's disk. */
static void begin_join(struct faults *f, int node, int admin)
{
	struct fault_node *joiner = &f->nodes[node];

	if (!faults_is_well(f, node) || !faults_is_well(f, admin) ||
		cluster_core(f->cluster, admin)->persisted < joiner->ticket)
		return;
	if (cluster_join(f->cluster, node, joiner->token) == 0)
		faults_count(f, FAULT_JOINS);
}

static bool join(struct faults *f)
{
	int node = some_joiner(f), admin = some_admin(f);

	if (node < 0 || !invite(f, admin, f->nodes[node].token, &f->nodes[node].ticket))
		return false;
	f->nodes[node].joins++;
	faults_repair_in(f, PERSISTED_MS, begin_join, node, admin);
	return true;
}

/* ---- endings ---- */

static bool leave(struct faults *f)
{
	int node = faults_plain(f);
	uint64_t ticket;

	if (f->left == ENDED_MAX || !is_running(f, node))
		return false;
	if (gossip_leave(cluster_core(f->cluster, node), faults_time(f, node), true, &ticket) != 0)
		return false;
	cluster_drain(f->cluster, node);
	f->left++;
	faults_count(f, FAULT_LEAVES);
	return true;
}

static bool revoke(struct faults *f)
{
	int admin = some_admin(f), node = 1 + faults_below(f, cluster_count(f->cluster) - 1);
	struct id id = cluster_id(f->cluster, node);
	uint64_t ticket;
	int err;

	if (f->revoked == ENDED_MAX || admin < 0 || admin == node || f->nodes[node].clone_of >= 0)
		return false;
	err = gossip_revoke(cluster_core(f->cluster, admin), faults_time(f, admin), &id,
		"it was in the way", &ticket);
	cluster_drain(f->cluster, admin);
	if (err != 0)
		return false;
	f->revoked++;
	faults_count(f, FAULT_REVOCATIONS);
	return true;
}

/* ---- commands ---- */

static bool withdraw(struct faults *f)
{
	int admin = some_admin(f);
	const struct authority_invite *invite;
	struct gossip *core;
	uint64_t ticket;
	size_t count = 0;
	int err;

	if (admin < 0)
		return false;
	core = cluster_core(f->cluster, admin);
	while (gossip_invite_at(core, count))
		count++;
	invite = count ? gossip_invite_at(core, (size_t)faults_below(f, (int)count)) : NULL;
	if (!invite)
		return false;
	struct id id = invite->invite.id;

	err = gossip_uninvite(core, faults_time(f, admin), &id, &ticket);
	cluster_drain(f->cluster, admin);
	return err == 0;
}

static bool set(struct faults *f)
{
	int node = faults_any(f);

	if (node < 0)
		return false;
	gossip_set_mtu(cluster_core(f->cluster, node), faults_time(f, node),
		(uint16_t)(1280 + faults_below(f, 200)));
	cluster_drain(f->cluster, node);
	return true;
}

static int some_other(struct faults *f, int node)
{
	int other = 1 + faults_below(f, cluster_count(f->cluster) - 1);

	return other == node || f->nodes[other].clone_of >= 0 ? -1 : other;
}

/* Admins by the root, which is the founder's; writers by any admin. */
static bool grant(struct faults *f)
{
	bool of_admin = faults_chance(f, 0.5);
	int by = of_admin ? 0 : some_admin(f), node = by < 0 ? -1 : some_other(f, by);
	enum gossip_office office = of_admin ? GOSSIP_ADMIN : GOSSIP_WRITER;
	struct gossip *core;
	uint64_t ticket;
	struct id id;
	int err;

	if (node < 0 || !is_running(f, by))
		return false;
	id = cluster_id(f->cluster, node);
	core = cluster_core(f->cluster, by);
	if (faults_chance(f, 0.6))
		err = gossip_grant(core, faults_time(f, by), &id, office, &ticket);
	else
		err = gossip_ungrant(core, faults_time(f, by), &id, office, NULL, 0, &ticket);
	cluster_drain(f->cluster, by);
	if (err == 0)
		faults_count(f, FAULT_GRANTS);
	return err == 0;
}

static bool keep(struct faults *f)
{
	int by = some_admin(f), node = by < 0 ? -1 : some_other(f, by);
	uint64_t ticket;
	struct id id;
	int err;

	if (node < 0)
		return false;
	id = cluster_id(f->cluster, node);
	err = gossip_keep(cluster_core(f->cluster, by), faults_time(f, by), &id, &ticket);
	cluster_drain(f->cluster, by);
	if (err == 0)
		faults_count(f, FAULT_KEEPS);
	return err == 0;
}

static bool command(struct faults *f)
{
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;
	bool done;

	if (faults_chance(f, 0.6))
		done = set(f);
	else
		done = faults_chance(f, 0.5) ? withdraw(f)
					     : invite(f, some_admin(f), token, &ticket);
	if (done)
		faults_count(f, FAULT_COMMANDS);
	return done;
}

bool faults_mesh(struct faults *f)
{
	switch (faults_below(f, 8)) {
	case 0:
		return f->enabled[FAULT_JOINS] && join(f);
	case 1:
		return f->enabled[FAULT_LEAVES] && faults_chance(f, 0.3) && leave(f);
	case 2:
		return f->enabled[FAULT_REVOCATIONS] && faults_chance(f, 0.3) && revoke(f);
	case 3:
		return f->enabled[FAULT_GRANTS] && grant(f);
	case 4:
		return f->enabled[FAULT_KEEPS] && keep(f);
	default:
		return command(f);
	}
}

/* Who has left forgets its identity: that node is no more. */
void faults_mesh_look(struct faults *f)
{
	for (int i = 0; i < cluster_count(f->cluster); i++) {
		if (!f->nodes[i].left || f->nodes[i].gone)
			continue;
		f->nodes[i].gone = true;
		if (cluster_is_up(f->cluster, i))
			cluster_kill(f->cluster, i);
	}
}
