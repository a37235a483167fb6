/*
 * A mesh of `struct swim` in one process, on a network in virtual time that delays, loses and cuts,
 * with hosts whose daemon may stand still. The same seed gives the same run. Every change of state
 * is checked as it happens: a member that is dead never becomes suspect, and nobody's word makes
 * one dead.
 */
#ifndef MESHD_TESTS_SUPPORT_SWIM_NET_H
#define MESHD_TESTS_SUPPORT_SWIM_NET_H

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/swim.h"

#define SWIM_NET_STATEMENTS_MAX 16	     /* in one packet */
#define SWIM_NET_BUDGET		900	     /* bytes of statements in one packet */
#define SWIM_NET_BUFFER		(208 * 1024) /* a socket's, while its process does not read it */

struct swim_net;
struct swim_net_event;
struct swim_net_packet;

struct swim_net_counts {
	size_t packets, pings, acks, requests, relays, nacks, pushes, statements, checks, bytes;
};

/* Packets in a socket's buffer. */
struct swim_net_queue {
	struct swim_net_packet *first, **last;
	size_t bytes;
};

/* A stream that a node has opened to ask whether the other is there. */
struct swim_net_check {
	uint64_t number;
	size_t to;
	bool open, connected;
};

struct swim_net_node {
	struct keys keys;
	struct rng rng;
	struct spread *spread;
	struct swim *swim; /* NULL: it does not run */
	uint64_t generation;
	mtime_t paused_until;  /* neither reads nor ticks before */
	mtime_t blocked_until; /* ticks, but neither reads nor writes before */
	struct swim_net_queue in, out;
	struct swim_net_check check;
	mtime_t tick_at; /* of its tick in the queue */
	struct swim_net_counts sent;
	size_t suspicions, deaths; /* that it has concluded or believed */
};

typedef void (*swim_net_observer)(
	struct swim_net *net, size_t observer, size_t subject, const struct swim_change *change);

struct swim_net {
	mtime_t now;
	const struct swim_mechanisms *mechanisms; /* NULL: ours */
	struct id mesh;
	struct rng rng;
	size_t count;
	struct swim_net_node *nodes;
	struct map by_id;
	uint8_t *cut; /* from * count + to */
	unsigned loss_percent;
	int64_t delay_us, jitter_us; /* one way */
	bool hosts_die;		     /* a crash takes the host along: nothing refuses a stream */
	swim_net_observer observer;  /* NULL: none */
	void *context;		     /* the observer's */
	struct swim_net_event *events;
	size_t event_count, event_capacity;
	uint64_t event_order, check_number;
};

/* All know each other; none runs. */
void swim_net_init(struct swim_net *net, size_t count, uint8_t seed);
void swim_net_done(struct swim_net *net);

void swim_net_start(struct swim_net *net, size_t node); /* with its next generation */
void swim_net_start_all(struct swim_net *net);
void swim_net_crash(struct swim_net *net, size_t node);
/* Its process stands still; then its timers come first, which is the worst order. */
void swim_net_pause(struct swim_net *net, size_t node, int64_t ms);
/* Its input and output are held, and its timers run. */
void swim_net_block(struct swim_net *net, size_t node, int64_t ms);
void swim_net_cut(struct swim_net *net, size_t from, size_t to);
void swim_net_cut_datagrams(struct swim_net *net, size_t from, size_t to); /* streams get through */
void swim_net_split(struct swim_net *net, size_t first_half);		   /* cuts both ways */
void swim_net_isolate(struct swim_net *net, size_t node);		   /* from all others */
void swim_net_heal(struct swim_net *net);

void swim_net_run(struct swim_net *net, int64_t ms);
/* Runs until all running nodes but the subject hold it to be in that state. The time it took in ms;
 * -1: it did not happen within max_ms. */
int64_t swim_net_wait(struct swim_net *net, size_t subject, enum swim_state state, int64_t max_ms);
/* Until all running nodes hold each other alive. */
int64_t swim_net_wait_whole(struct swim_net *net, int64_t max_ms);

const struct id *swim_net_id(const struct swim_net *net, size_t node);
enum swim_state swim_net_state(const struct swim_net *net, size_t observer, size_t subject);
/* How many running nodes hold the subject to be in that state. */
size_t swim_net_holding(const struct swim_net *net, size_t subject, enum swim_state state);
struct swim_net_counts swim_net_sent(const struct swim_net *net);
size_t swim_net_deaths(const struct swim_net *net);
size_t swim_net_suspicions(const struct swim_net *net);

#endif
