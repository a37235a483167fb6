/* What the files of the scenario share. */
#ifndef MESHD_TESTS_MESHSIM_FAULTS_INTERNAL_H
#define MESHD_TESTS_MESHSIM_FAULTS_INTERNAL_H

#include "tests/meshsim/faults.h"
#include "tests/meshsim/faults_list.h"
#include "tests/meshsim/invariants_watch.h"

#define REPAIRS_MAX  128
#define CAUGHT_MAX   64	 /* datagrams that somebody remembers, to replay them */
#define CLOGGED_MAX  512 /* datagrams that wait on clogged paths: as a router's queue, no more */
#define PINHOLES_MAX 64
#define NAT_IDLE_MS  30000 /* a router forgets a way in after that (Linux: conntrack of UDP) */

struct faults;

struct repair {
	int64_t at_ms;
	void (*undo)(struct faults *faults, int a, int b);
	int a, b;
};

struct kept_datagram {
	int from, to;
	struct endpoint source;
	size_t size;
	uint8_t bytes[CLUSTER_DATAGRAM_MAX];
};

/* A router's way in for one address. */
struct pinhole {
	struct endpoint from;
	int64_t until_ms;
};

struct nat {
	bool on;
	struct endpoint outside;
	struct pinhole pinholes[PINHOLES_MAX];
	size_t next;
};

struct fault_node {
	bool gone; /* for good: it has left, or was a clone */
	bool left; /* its core has said so */
	int clone_of;
	bool cloned; /* it may be looked for where its copy was */
	int joins;   /* tries */
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket; /* of it, at the admin who made it */
	struct nat nat;
	struct cluster_backup *backup;
};

struct faults {
	struct sim *sim;
	struct cluster *cluster;
	struct rng rng, net_rng;
	struct invariants *checker;
	struct watch *watch;
	bool enabled[FAULTS];
	int64_t end_ms;
	struct repair repairs[REPAIRS_MAX];
	size_t repair_count;
	struct fault_node nodes[INVARIANTS_NODES_MAX];
	int members; /* of the mesh at first: nodes 0 to members - 1 */
	int evil;    /* -1: none */
	bool withholding;
	int revoked, left, clones, joiners;
	/* the network: chances of each datagram */
	double corrupt, truncate, replay, stray, delay;
	int64_t delay_most_us;
	struct kept_datagram caught[CAUGHT_MAX], *clogged;
	size_t caught_count, clogged_count;
	bool clog[INVARIANTS_NODES_MAX][INVARIANTS_NODES_MAX];
	unsigned nats;
	unsigned stamps; /* of records that the evil one has made */
};

/* faults.c */
bool faults_chance(struct faults *faults, double p);
int faults_below(struct faults *faults, int bound);
/* Between the two, all magnitudes alike. */
int64_t faults_span_ms(struct faults *faults, int64_t least, int64_t most);
void faults_count(struct faults *faults, enum fault fault);
void faults_repair_in(struct faults *faults, int64_t ms,
	void (*undo)(struct faults *faults, int a, int b), int a, int b);
/* One that is up, and whose process runs; -1: none. */
int faults_any(struct faults *faults);
/* The same, an original member other than the founder and the evil one. */
int faults_plain(struct faults *faults);
/* Whether somebody can talk to it: up, and neither stopped nor blocked. */
bool faults_is_well(struct faults *faults, int node);
struct gossip_time faults_time(struct faults *faults, int node);

/* One of each file's faults, drawn; false where there was no room for it. */
bool faults_net(struct faults *faults);
bool faults_node(struct faults *faults);
bool faults_mesh(struct faults *faults);
bool faults_member(struct faults *faults);
bool faults_value(struct faults *faults);
bool faults_segment(struct faults *faults);

/* In the evil one's name. */
struct record *faults_segment_claim(struct faults *faults, uint64_t stamp);

void faults_net_begin(struct faults *faults); /* the filter, and how bad it is */
void faults_net_end(struct faults *faults);   /* all paths whole */
void faults_node_end(struct faults *faults);  /* all nodes run by the right time */
void faults_member_begin(struct faults *faults);
void faults_member_end(struct faults *faults);
void faults_mesh_look(struct faults *faults); /* at what has ended meanwhile */

#endif
