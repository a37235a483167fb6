/*
 * A mesh of gossip cores in one process: virtual time, a faulty virtual network, virtual disks. The
 * same seed gives the same run. Stories read like: start, join, cut, wait until.
 *
 *   cluster.c         life, and the run: whose turn it is
 *   cluster_queue.c   what will happen, and when which core wants its tick
 *   cluster_net.c     datagrams: one function through which each of them passes
 *   cluster_stream.c  streams
 *   cluster_disk.c    disks: an image that many share, and what each has changed
 *   cluster_node.c    nodes: start, end, anomalies, and their effects carried out
 *   cluster_story.c   what tests say: found, invite, join, sees, converged
 *
 * Failures of the cluster itself (no memory, a join that must work and does not) end the program.
 */
#ifndef MESHD_TESTS_SUPPORT_CLUSTER_H
#define MESHD_TESTS_SUPPORT_CLUSTER_H

#include "gossip/gossip.h"

struct cluster;
struct record;

/* What nodes say of themselves. */
#define CLUSTER_VERSION	       "test"
#define CLUSTER_WIREGUARD_PORT 51820
#define CLUSTER_MTU	       1420

struct cluster_options {
	uint64_t seed;
	double loss; /* of datagrams, 0 to 1 */
	double duplication;
	int latency_min_ms, latency_max_ms;	  /* one way; a range reorders */
	struct prefix prefix4;			  /* of the mesh; family 0: the default */
	int disk_ms;				  /* from a write to its being persisted */
	const struct swim_mechanisms *mechanisms; /* of failure detection; NULL: swim_mesh */
};

struct cluster *cluster_new(const struct cluster_options *options);
void cluster_free(struct cluster *cluster);
/* The network from now on: loss, duplication, latencies. */
void cluster_weather(struct cluster *cluster, const struct cluster_options *options);

/* An unjoined node with a key, a name (n0, n1, ...) and an address of its own; returns its number.
 */
int cluster_add(struct cluster *cluster);
/* The same, not started yet: cluster_restart starts it. */
int cluster_add_off(struct cluster *cluster);
/* A copied machine, off: the keys of that node and a copy of its disk, at an address of its own. By
 * its id the original is found. */
int cluster_add_clone(struct cluster *cluster, int of);
/* Of its next start, as if its disk or clock had been set back, or as after a restore. */
void cluster_set_generation(struct cluster *cluster, int node, uint64_t generation);
int cluster_count(const struct cluster *cluster);
struct gossip *cluster_core(struct cluster *cluster, int node);		/* NULL while it is down */
struct gossip_status cluster_status(struct cluster *cluster, int node); /* of one that is up */
struct gossip_time cluster_time(const struct cluster *cluster);
/* What time it is for that node: its clock may be off. */
struct gossip_time cluster_node_time(const struct cluster *cluster, int node);
struct endpoint cluster_endpoint(const struct cluster *cluster, int node);
struct id cluster_id(const struct cluster *cluster, int node);
/* -1: there is none. At that address: one that is up. */
int cluster_node_of(const struct cluster *cluster, const struct id *id);
int cluster_node_at(const struct cluster *cluster, const struct endpoint *endpoint);
/* To be called after calling the core directly: takes its effects. */
void cluster_drain(struct cluster *cluster, int node);

/* Its identity, for whoever acts in its place. */
const struct keys *cluster_keys(const struct cluster *cluster, int node);
const struct keys *cluster_wireguard_keys(const struct cluster *cluster, int node);
const struct keys *cluster_root_keys(const struct cluster *cluster, int node);

/* ---- disks ---- */

/* What is on its disk. */
typedef void (*cluster_record)(void *arg, const uint8_t *bytes, size_t size);
void cluster_records(const struct cluster *cluster, int node, cluster_record take, void *arg);
void cluster_lose_disk(struct cluster *cluster, int node); /* but for its keys and its mesh */
/* The records on its disk now; and all of it set back to them: an old backup, or snapshot. */
struct cluster_backup;
struct cluster_backup *cluster_backup(struct cluster *cluster, int node);
void cluster_set_back(struct cluster *cluster, int node, const struct cluster_backup *backup);
void cluster_backup_free(struct cluster_backup *backup);
/* A disk that all nodes given it start from, without a copy each: these records of the mesh whose
 * root is that of node `founder`, and where every node is. Before anything was written there. */
void cluster_image(
	struct cluster *cluster, int founder, struct record *const *records, size_t count);
void cluster_install(struct cluster *cluster, int node); /* gives it the image */
/* Puts a record on a node's disk, as if it had been written there. */
void cluster_write(struct cluster *cluster, int node, const struct record *record);

/* ---- watching ---- */

/* Shows every effect before it is carried out; what the watcher answers true to is not. One at a
 * time; NULL: none. */
typedef bool (*cluster_watcher)(void *arg, int node, const struct gossip_effect *effect);
void cluster_watch(struct cluster *cluster, cluster_watcher watcher, void *arg);
/* Others who only look, for the cluster's life. */
#define CLUSTER_OBSERVERS_MAX 4
typedef void (*cluster_observer)(void *arg, int node, const struct gossip_effect *effect);
void cluster_observe(struct cluster *cluster, cluster_observer observer, void *arg);
/* After each input to a core, when all its effects have been taken. One; NULL: none. */
typedef void (*cluster_inspector)(void *arg, int node);
void cluster_inspect(struct cluster *cluster, cluster_inspector inspector, void *arg);

/* ---- stories ---- */

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

/* ---- what befalls nodes ---- */

/* As kill -9: what is not on disk is gone, connections are closed, new ones refused. */
void cluster_kill(struct cluster *cluster, int node);
/* The whole host is gone: nothing of it answers. */
void cluster_crash(struct cluster *cluster, int node);
/* From its disk, with the next generation. */
void cluster_restart(struct cluster *cluster, int node);
bool cluster_is_up(const struct cluster *cluster, int node);

/*
 * Anomalies. Meanwhile the host's kernel goes on: datagrams wait in a socket buffer of Linux'
 * default size, and are lost beyond it; connections are accepted, and what comes on them waits.
 *
 *   BLOCK   input and output of the process wait while its timers run: Lifeguard's anomaly. At the
 *           end what it sent goes out, then what waits comes in, each in order.
 *   STOP    the process stands still (SIGSTOP, a starved or swapped-out host). At the end first the
 *           timers fire, late, then what waits is read: as libuv does it.
 */
enum cluster_anomaly { CLUSTER_NONE, CLUSTER_BLOCK, CLUSTER_STOP };
#define CLUSTER_SOCKET_BUFFER 212992 /* Linux: net.core.rmem_default and wmem_default */
void cluster_anomaly(struct cluster *cluster, int node, enum cluster_anomaly anomaly);
enum cluster_anomaly cluster_anomaly_of(const struct cluster *cluster, int node);

/* Its wall clock is so far off, and goes faster by so much; vouched for by nobody unless synced. */
void cluster_clock(struct cluster *cluster, int node, int64_t offset_ms, double drift, bool synced);

/* ---- what befalls the network ---- */

/* One way: what a sends does not arrive at b. */
void cluster_cut(struct cluster *cluster, int a, int b, bool cut);
void cluster_cut_udp(struct cluster *cluster, int a, int b, bool cut);
/* Nodes of different groups do not reach each other. All are of group 0 at first. */
void cluster_group(struct cluster *cluster, int node, int group);
void cluster_move(struct cluster *cluster, int node); /* another address from now on */

/* Each datagram on its way, after cuts and loss; to be changed as the filter likes. */
struct cluster_datagram {
	int from, to;		/* nodes; to -1: nobody is there */
	struct endpoint source; /* as the receiver sees it */
	struct endpoint destination;
	uint8_t *bytes; /* room for CLUSTER_DATAGRAM_MAX */
	size_t size;
	bool lost;
	int64_t delay_us; /* from now to its arrival */
	unsigned copies;  /* besides itself; each takes its own time */
};
#define CLUSTER_DATAGRAM_MAX 1500
typedef void (*cluster_filter)(void *arg, struct cluster_datagram *datagram);
void cluster_filter_datagrams(struct cluster *cluster, cluster_filter filter, void *arg);
/* Each connection that a node opens, to be changed likewise. */
struct cluster_connection {
	int from;
	struct endpoint destination;
	struct endpoint source; /* as whoever accepts it sees it */
	bool lost;		/* nobody answers */
};
typedef void (*cluster_connection_filter)(void *arg, struct cluster_connection *connection);
void cluster_filter_connections(
	struct cluster *cluster, cluster_connection_filter filter, void *arg);
/* One that no node sent: it arrives at the node from that address, now. */
void cluster_inject(struct cluster *cluster, int to, const struct endpoint *source,
	const void *bytes, size_t size);

/* ---- what can be asked ---- */

/* Asked of a node: the state in which it sees another; -1: not at all. */
int cluster_sees(struct cluster *cluster, int node, int other);
bool cluster_all_see(struct cluster *cluster, enum gossip_member_state state, int other);
/* Runs until that is so; false as cluster_wait. */
bool cluster_wait_seen(
	struct cluster *cluster, int64_t most_ms, int node, enum gossip_member_state state);
/* Whether all nodes that are up and running hold the same records. */
bool cluster_digests_equal(struct cluster *cluster, void *unused);
/* The same, and each sees every other running node as alive. */
bool cluster_converged(struct cluster *cluster, void *unused);

struct cluster_counts {
	uint64_t datagrams, lost, bytes, events; /* bytes of UDP payload */
	uint64_t duplicated, reordered, overrun; /* overrun: beyond a socket's buffer */
	uint64_t connections, stream_bytes, writes;
	uint64_t kills, crashes, restarts, blocks, stops;
};
const struct cluster_counts *cluster_counts(const struct cluster *cluster);
uint64_t cluster_event_count(const struct cluster *cluster, int node, enum gossip_event_kind kind);
/* 16 bytes over all that was sent, and when: the same seed gives the same. */
void cluster_trace(const struct cluster *cluster, uint8_t ret[16]);

#endif
