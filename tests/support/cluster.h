/*
 * A mesh of gossip cores in one process: virtual time, a faulty virtual network, virtual disks. The
 * same seed gives the same run. Stories read like: start, join, cut, wait until.
 *
 * Failures of the cluster itself (no memory, a join that must work and does not) end the program.
 */
#ifndef MESHD_TESTS_SUPPORT_CLUSTER_H
#define MESHD_TESTS_SUPPORT_CLUSTER_H

#include "gossip/gossip.h"

#define CLUSTER_NODES_MAX 256

struct cluster;

struct cluster_options {
	uint64_t seed;
	double loss; /* of datagrams, 0 to 1 */
	double duplication;
	int latency_min_ms, latency_max_ms; /* one way; a range reorders */
	struct prefix prefix4;		    /* of the mesh; family 0: the default */
	int disk_ms;			    /* from a write to its being persisted */
};

struct cluster *cluster_new(const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/* An unjoined node with a key, a name (n0, n1, ...) and an address of its own; returns its number.
 */
int cluster_add(struct cluster *cluster);
struct gossip *cluster_core(struct cluster *cluster, int node);
struct gossip_time cluster_time(const struct cluster *cluster);
struct endpoint cluster_endpoint(const struct cluster *cluster, int node);
struct id cluster_id(const struct cluster *cluster, int node);
/* To be called after calling the core directly: takes its effects. */
void cluster_drain(struct cluster *cluster, int node);

/* Its identity, for whoever acts in its place. */
const struct keys *cluster_keys(const struct cluster *cluster, int node);
/* What is on its disk. */
typedef void (*cluster_record)(void *arg, const uint8_t *bytes, size_t size);
void cluster_records(const struct cluster *cluster, int node, cluster_record take, void *arg);
/* Shows every effect before it is carried out; what the watcher answers true to is not. */
typedef bool (*cluster_watcher)(void *arg, int node, const struct gossip_effect *effect);
void cluster_watch(struct cluster *cluster, cluster_watcher watcher, void *arg);

void cluster_found(struct cluster *cluster, int node);
/* uses and lifetime_ms as in an invite; the token goes to text. */
void cluster_invite(struct cluster *cluster, int node, unsigned uses, int64_t lifetime_ms,
	char text[TOKEN_TEXT_MAX]);
/* Starts a join; cluster_joined tells how it ended: 1 for not yet, else 0 or an enum err. */
int cluster_join(struct cluster *cluster, int node, const char *token);
int cluster_joined(const struct cluster *cluster, int node);
const char *cluster_joined_text(const struct cluster *cluster, int node);
/* Founds at node 0 and lets count - 1 others join it, one by one. */
void cluster_mesh(struct cluster *cluster, int count);

void cluster_run(struct cluster *cluster, int64_t ms);
/* Runs until the condition holds; false if it has not after most_ms of virtual time. */
typedef bool (*cluster_condition)(struct cluster *cluster, void *arg);
bool cluster_wait(struct cluster *cluster, int64_t most_ms, cluster_condition condition, void *arg);

void cluster_kill(struct cluster *cluster, int node); /* as kill -9: what is not on disk is gone */
void cluster_restart(
	struct cluster *cluster, int node); /* from its disk, with the next generation */
bool cluster_is_up(const struct cluster *cluster, int node);
void cluster_lose_disk(struct cluster *cluster, int node); /* but for its keys and its mesh */
/* One way: what a sends does not arrive at b. */
void cluster_cut(struct cluster *cluster, int a, int b, bool cut);
void cluster_cut_udp(struct cluster *cluster, int a, int b, bool cut);
void cluster_move(struct cluster *cluster, int node); /* another address from now on */

/* Asked of a node: the state in which it sees another; -1: not at all. */
int cluster_sees(struct cluster *cluster, int node, int other);
bool cluster_all_see(struct cluster *cluster, enum gossip_member_state state, int other);
/* Whether all nodes that are up and running hold the same records. */
bool cluster_digests_equal(struct cluster *cluster, void *unused);
/* The same, and each sees every other running node as alive. */
bool cluster_converged(struct cluster *cluster, void *unused);

struct cluster_counts {
	uint64_t datagrams, lost, bytes, events;
	uint64_t stream_bytes, writes;
};
const struct cluster_counts *cluster_counts(const struct cluster *cluster);
uint64_t cluster_event_count(const struct cluster *cluster, int node, enum gossip_event_kind kind);
/* 16 bytes over all that was sent, and when: the same seed gives the same. */
void cluster_trace(const struct cluster *cluster, uint8_t ret[16]);

#endif
