/* What befalls hosts, processes, disks and clocks. */
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/replica/store.h"
#include "tests/meshsim/faults_internal.h"

/* A clock that steps goes so far at most: half as far again as stamps may. */
#define STEP_MS 90000

static void wake(struct faults *f, int node, int unused)
{
	(void)unused;
	if (cluster_is_up(f->cluster, node))
		cluster_anomaly(f->cluster, node, CLUSTER_NONE);
}

static bool stand_still(struct faults *f)
{
	int node = faults_any(f);

	if (node < 0)
		return false;
	cluster_anomaly(f->cluster, node, faults_chance(f, 0.5) ? CLUSTER_STOP : CLUSTER_BLOCK);
	faults_repair_in(f, faults_span_ms(f, 100, 30000), wake, node, 0);
	return true;
}

static void start(struct faults *f, int node, int unused)
{
	(void)unused;
	if (!f->nodes[node].gone && !cluster_is_up(f->cluster, node))
		cluster_restart(f->cluster, node);
}

static void end(struct faults *f, int node)
{
	if (faults_chance(f, 0.5))
		cluster_kill(f->cluster, node);
	else
		cluster_crash(f->cluster, node);
}

static bool end_one(struct faults *f)
{
	int node = faults_any(f);

	if (node < 0)
		return false;
	end(f, node);
	faults_repair_in(f, faults_span_ms(f, 10, 40000), start, node, 0);
	return true;
}

static bool end_all(struct faults *f)
{
	for (int i = 0; i < cluster_count(f->cluster); i++) {
		if (!cluster_is_up(f->cluster, i))
			continue;
		end(f, i);
		faults_repair_in(f, 100 + faults_below(f, 1000), start, i, 0);
	}
	faults_count(f, FAULT_MASS_RESTARTS);
	return true;
}

/* Whether the founder would look for it where it is. */
static bool is_known_to_founder(struct faults *f, int node)
{
	const struct gossip *founder = cluster_core(f->cluster, 0);
	struct id id = cluster_id(f->cluster, node);
	struct endpoint at = cluster_endpoint(f->cluster, node);
	const struct peer *peer = founder && founder->store ? gossip_peer(founder, &id) : NULL;

	for (size_t i = 0; peer && i < peer->endpoint_count; i++) {
		if (endpoint_equal(&peer->endpoints[i], &at))
			return true;
	}
	return false;
}

/* The founder's holds what makes the mesh one: if all disks were lost, so would it be. */
static bool lose_disk(struct faults *f)
{
	int node = faults_plain(f);

	if (node < 0 || f->nodes[node].cloned || !is_known_to_founder(f, node))
		return false;
	end(f, node);
	cluster_lose_disk(f->cluster, node);
	watch_disk_lost(f->watch, node);
	faults_count(f, FAULT_DISKS_LOST);
	faults_repair_in(f, faults_span_ms(f, 10, 10000), start, node, 0);
	return true;
}

/* Whether it could find the founder by its records alone: there it hears what it missed, should
 * nobody look for it any more since it was revoked. */
static bool knows_founder(struct faults *f, int node)
{
	const struct gossip *g = cluster_core(f->cluster, node);
	const struct id founder = cluster_id(f->cluster, 0);

	return g && g->state == GOSSIP_RUNNING &&
	       store_slot(g->store, &founder, RECORD_DESCRIPTOR, NULL, 0);
}

/* Not the founder's: a revocation of an admin by the root, which then only those have whom that
 * admin expelled, cannot come back, for nobody takes a sync of the expelled. */
static bool set_back_disk(struct faults *f)
{
	int node = 1 + faults_below(f, f->members - 1);
	struct cluster_backup **backup = &f->nodes[node].backup;

	if (!*backup) {
		if (!knows_founder(f, node))
			return false;
		*backup = cluster_backup(f->cluster, node);
		return true;
	}
	if (!cluster_is_up(f->cluster, node))
		return false;
	end(f, node);
	cluster_set_back(f->cluster, node, *backup);
	cluster_backup_free(*backup);
	*backup = NULL;
	watch_disk_lost(f->watch, node);
	faults_count(f, FAULT_DISKS_SET_BACK);
	faults_repair_in(f, faults_span_ms(f, 10, 10000), start, node, 0);
	return true;
}

static void right_clock(struct faults *f, int node, int unused)
{
	(void)unused;
	cluster_clock(f->cluster, node, 0, 0, true);
}

static bool wrong_clock(struct faults *f)
{
	int node = faults_below(f, cluster_count(f->cluster));
	int64_t offset_ms = 0;
	double drift = 0;

	if (f->enabled[FAULT_CLOCKS_OFF] && faults_chance(f, 0.5)) {
		offset_ms = faults_below(f, 40000) - 20000;
		faults_count(f, FAULT_CLOCKS_OFF);
	} else if (f->enabled[FAULT_CLOCKS_STEP] && faults_chance(f, 0.5)) {
		offset_ms = faults_below(f, 2 * STEP_MS) - STEP_MS;
		faults_count(f, FAULT_CLOCKS_STEP);
	} else if (f->enabled[FAULT_CLOCKS_DRIFT]) {
		drift = (faults_below(f, 2000) - 1000) / 1e5; /* a hundredth at most */
		faults_count(f, FAULT_CLOCKS_DRIFT);
	} else {
		return false;
	}
	cluster_clock(f->cluster, node, offset_ms, drift, faults_chance(f, 0.5));
	faults_repair_in(f, faults_span_ms(f, 1000, 60000), right_clock, node, 0);
	return true;
}

/* The founder stays where it is, so that whoever moves can find somebody: two that have both moved
 * unseen by any third have lost each other, and only discovery on the LAN can help. So has one that
 * moves without any records. */
static bool move(struct faults *f)
{
	int node = faults_any(f);

	if (node <= 0 || cluster_core(f->cluster, node)->state != GOSSIP_RUNNING)
		return false;
	cluster_move(f->cluster, node);
	faults_count(f, FAULT_MOVES);
	return true;
}

/* ---- a machine that was copied ---- */

static void end_clone(struct faults *f, int clone, int unused)
{
	(void)unused;
	f->nodes[clone].gone = true;
	if (cluster_is_up(f->cluster, clone))
		cluster_kill(f->cluster, clone);
}

static bool copy_machine(struct faults *f)
{
	int node = faults_plain(f), clone;

	if (f->clones || node < 0 || cluster_core(f->cluster, node)->state != GOSSIP_RUNNING ||
		cluster_count(f->cluster) >= INVARIANTS_NODES_MAX)
		return false;
	clone = cluster_add_clone(f->cluster, node);
	f->clones++;
	f->nodes[clone].clone_of = node;
	f->nodes[node].cloned = true;
	invariants_dishonest(f->checker, node);
	invariants_dishonest(f->checker, clone);
	cluster_restart(f->cluster, clone);
	faults_count(f, FAULT_CLONES);
	faults_repair_in(f, faults_span_ms(f, 2000, 30000), end_clone, clone, 0);
	return true;
}

bool faults_node(struct faults *f)
{
	switch (faults_below(f, 10)) {
	case 0:
	case 1:
		return stand_still(f);
	case 2:
	case 3:
		return end_one(f);
	case 4:
		return f->enabled[FAULT_MASS_RESTARTS] && faults_chance(f, 0.3) && end_all(f);
	case 5:
		return f->enabled[FAULT_DISKS_LOST] && faults_chance(f, 0.5) && lose_disk(f);
	case 6:
		return f->enabled[FAULT_DISKS_SET_BACK] && set_back_disk(f);
	case 7:
		return wrong_clock(f);
	case 8:
		return f->enabled[FAULT_MOVES] && move(f);
	default:
		return f->enabled[FAULT_CLONES] && copy_machine(f);
	}
}

/* Who lived twice is told to start anew: its generation must be above its copy's. */
void faults_node_end(struct faults *f)
{
	int count = cluster_count(f->cluster);

	for (int i = 0; i < count; i++) {
		right_clock(f, i, 0);
		wake(f, i, 0);
		cluster_backup_free(f->nodes[i].backup);
		f->nodes[i].backup = NULL;
		if (f->nodes[i].clone_of < 0)
			continue;
		end_clone(f, i, 0);
		if (cluster_is_up(f->cluster, f->nodes[i].clone_of))
			cluster_kill(f->cluster, f->nodes[i].clone_of);
	}
	for (int i = 0; i < count; i++)
		start(f, i, 0);
}
