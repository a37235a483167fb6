/*
 * L2 segments in a cluster: what operators say of them, and the hosts on each node's side as a
 * kernel sees them. A host is a number; a frame of it makes its node's bridge learn it there, and
 * what the mesh says of it takes it away again, unless it is here.
 */
#ifndef MESHD_TESTS_SUPPORT_SEGMENTS_H
#define MESHD_TESTS_SUPPORT_SEGMENTS_H

#include "tests/support/cluster.h"

#define SEGMENTS_NODES 16
#define SEGMENTS_HOSTS 2048
#define SEGMENTS_NAME  "lan0"
#define SEGMENTS_VNI   100

/* Every node can have segments from now on. */
void segments_enable(struct cluster *c);
void segments_create(struct cluster *c, int node, const char *name, const struct segment *segment);
void segments_delete(struct cluster *c, int node, const char *name);
void segments_attach(struct cluster *c, int node, const char *name);
void segments_detach(struct cluster *c, int node, const char *name);
/* How many members the node sees attached to it; -1: it knows no such segment. */
int segments_members(struct cluster *c, int node, const char *name);

/* The bridges of segment SEGMENTS_NAME. */
struct segments {
	struct cluster *c;
	bool here[SEGMENTS_NODES][SEGMENTS_HOSTS];
};

/* A mesh of so many nodes on a segment that all are attached to. */
struct segments *segments_new(const struct cluster_options *options, int count, bool flood);
void segments_free(struct segments *lan);

void segments_mac(unsigned host, uint8_t ret[6]);
/* A frame of the host comes in on the node's side. */
void segments_hear(struct segments *lan, int node, unsigned host);
/* The host is silent for so long that the bridge forgets it. */
void segments_forget(struct segments *lan, int node, unsigned host);
/* The node is told its whole side; fresh: the one of which a frame came, -1: none. */
void segments_tell(struct segments *lan, int node, int fresh);
/* Runs, and lets each bridge follow what its node says, every 50 ms. */
void segments_run(struct segments *lan, int64_t ms);
bool segments_wait(struct segments *lan, int64_t most_ms,
	bool (*condition)(struct segments *lan, void *arg), void *arg);

/* Where that node has the host; -1: nowhere. */
int segments_holder(struct cluster *c, int node, unsigned host);
struct gossip_mac segments_look(struct cluster *c, int node, unsigned host);
/* Whether all that are up and attached hold the same table, and nobody unattached is in it. */
bool segments_agree(struct segments *lan, void *unused);
struct segments_at {
	unsigned host;
	int node; /* -1: nowhere */
};
/* Whether every node has the host there. */
bool segments_all_see(struct segments *lan, void *at);

#endif
