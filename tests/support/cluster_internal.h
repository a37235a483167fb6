/* What the files of the virtual mesh share, and nobody else looks into. */
#ifndef MESHD_TESTS_SUPPORT_CLUSTER_INTERNAL_H
#define MESHD_TESTS_SUPPORT_CLUSTER_INTERNAL_H

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "tests/support/cluster.h"

enum event_kind {
	EVENT_DATAGRAM,
	EVENT_CONNECT,
	EVENT_DATA,
	EVENT_SENT,
	EVENT_CLOSED,
	EVENT_PERSISTED
};

struct event {
	struct event *next; /* where it waits for an anomaly's end */
	mtime_t at;
	uint64_t order; /* of its making: breaks ties */
	enum event_kind kind;
	int node;
	/* generation it is meant for: a killed node gets nothing that was under way */
	uint64_t life;
	int from_node; /* EVENT_DATAGRAM; -1: no node */
	struct endpoint from;
	struct wire *wire;
	int end; /* of the wire */
	uint64_t ticket;
	size_t size;
	uint8_t bytes[];
};

/* An output that waits for an anomaly's end. */
struct held_effect {
	struct held_effect *next;
	struct gossip_effect effect;
	uint8_t bytes[];
};

struct wire_key {
	uint64_t number;
	int64_t node;
};

/* A stream between two nodes, known to each by its own number. */
struct wire {
	struct wire *next, *previous;
	struct wire_key keys[2];
	int ends[2];		/* -1: nobody */
	struct endpoint source; /* of end 0, as end 1 sees it */
	bool open[2];
	mtime_t last[2];  /* arrival of the last thing towards each end: streams keep order */
	mtime_t floor[2]; /* nothing comes before that: the path was cut, TCP tries again then */
	unsigned events;  /* that point here */
};

/* One record on any number of disks. */
struct blob {
	struct hash hash; /* of the record's body */
	unsigned references;
	size_t size;
	uint8_t bytes[];
};

/* What a node's disk has beyond the image, or lacks of it; a list too, in the order of writing. */
struct disk_entry {
	struct disk_entry *next, *previous;
	struct hash hash;
	struct blob *blob; /* NULL: removed from the image */
	uint64_t number;   /* that came with it */
};

struct disk_endpoint {
	struct id id;
	struct endpoint endpoint;
};

struct disk {
	bool has_mesh, has_image;
	struct id mesh;
	struct map entries; /* by hash */
	struct disk_entry *first, *last;
	struct map endpoints; /* by id */
	uint64_t numbers[GOSSIP_NUMBERS];
};

#define ORDERS_SEEN 16 /* senders that a node's reorderings are counted for at a time */

struct node {
	int number;
	bool up, host_down;
	struct id id; /* = identity.id */
	struct keys identity, wireguard, root;
	bool has_root;
	unsigned address; /* changes when it moves */
	struct gossip *core;
	uint64_t generation;	  /* of its start: also tells its lives apart in the queue */
	uint64_t raised;	  /* what its disk has beyond that */
	uint64_t next_generation; /* of its next start; 0: the next one */
	int twin;		  /* with the same keys; -1: none */
	int joined;
	char joined_text[512];
	uint64_t event_counts[16];
	struct disk disk;
	int group;
	/* its ticks: the place in the queue of those who want one */
	mtime_t tick_at, last_tick;
	size_t tick_place;
	/* clock */
	int64_t clock_offset_ms;
	double clock_drift;
	mtime_t clock_set;
	bool clock_unsynced;
	/* anomaly */
	enum cluster_anomaly anomaly;
	struct event *held_in, **held_in_last;
	struct held_effect *held_out, **held_out_last;
	size_t held_in_size, held_out_size; /* of datagrams, as the kernel counts them */
	struct {
		int from;
		uint64_t order;
	} seen[ORDERS_SEEN];
};

struct cut {
	uint64_t pair;
	bool all, udp;
};

struct cluster {
	struct cluster_options options;
	struct rng rng;
	struct rng identities; /* of their own, so that traffic does not change who the nodes are */
	struct rng shapes;     /* of the maps */
	mtime_t now;
	struct node **nodes;
	int count, capacity;
	struct map by_id, by_address;
	/* network */
	struct map cuts; /* by pair */
	bool grouped;
	cluster_filter filter;
	void *filter_arg;
	cluster_connection_filter connection_filter;
	void *connection_filter_arg;
	struct map wires_by_key;
	struct wire *wires;
	uint64_t next_accepted;
	/* queue */
	uint64_t next_order;
	struct event **heap;
	size_t heap_count, heap_capacity;
	struct node **ticks;
	size_t tick_count;
	/* disks */
	struct map blobs;
	struct blob **image;
	size_t image_count;
	struct map image_hashes;
	struct id image_mesh;
	/* watched */
	struct cluster_counts counts;
	cluster_watcher watcher;
	void *watcher_arg;
	struct {
		cluster_observer observer;
		void *arg;
	} observers[CLUSTER_OBSERVERS_MAX];
	size_t observer_count;
	cluster_inspector inspector;
	void *inspector_arg;
	crypto_generichash_state trace;
};

/* cluster_queue.c */
struct event *queue_add(struct cluster *c, mtime_t at, enum event_kind kind, int node,
	const void *bytes, size_t size);
void queue_put(struct cluster *c, struct event *event); /* again, at event->at */
struct event *queue_pop(struct cluster *c);
void queue_want_tick(struct cluster *c, struct node *node, mtime_t at);

/* cluster_net.c */
mtime_t net_arrival(struct cluster *c);
bool net_chance(struct cluster *c, double p);
bool net_is_cut(const struct cluster *c, int from, int to, bool udp);
void net_send(struct cluster *c, int from, const struct gossip_effect *effect);
/* What a datagram takes of a socket's buffer. */
size_t net_truesize(size_t size);

/* cluster_stream.c */
void stream_open(struct cluster *c, int from, const struct gossip_effect *effect);
void stream_send(struct cluster *c, int from, const struct gossip_effect *effect);
void stream_close(struct cluster *c, int from, const struct gossip_effect *effect);
void stream_host_gone(struct cluster *c, int node, bool tells_others);
/* false: not yet, it has been put off. */
bool stream_arrives(struct cluster *c, struct event *event);
void stream_happen(struct cluster *c, struct node *node, const struct event *event);
void stream_release(struct cluster *c, struct wire *wire); /* by an event that pointed to it */
void stream_free_all(struct cluster *c);

/* cluster_disk.c */
void disk_init(struct cluster *c, struct disk *disk);
void disk_done(struct cluster *c, struct disk *disk);
void disk_write(struct cluster *c, struct node *node, const struct gossip_effect *effect);
void disk_restore(struct cluster *c, struct node *node);
void disk_free_image(struct cluster *c);

/* cluster_node.c */
void node_input(struct cluster *c, struct event *event); /* takes it over */
void node_tick(struct cluster *c, struct node *node);
void node_free(struct cluster *c, struct node *node);
void event_free(struct cluster *c, struct event *event);

#endif
