/* What the two files of swim_net share: swim_net.c has the hosts, the faults and the run;
 * swim_net_node.c what a node sends, and does with what it gets. */
#ifndef MESHD_TESTS_SUPPORT_SWIM_NET_INTERNAL_H
#define MESHD_TESTS_SUPPORT_SWIM_NET_INTERNAL_H

#include "tests/support/swim_net.h"

#define CUT_DATAGRAMS 1
#define CUT_STREAMS   2

struct swim_net_packet {
	struct swim_net_packet *next; /* in a queue */
	size_t from, to, size;
	bool has_action; /* else it is a push of news */
	bool is_proof;	 /* the answer to a SWIM_CHECK */
	uint64_t check;
	struct swim_action action;
	size_t count;
	struct {
		uint8_t bytes[SWIM_STATEMENT_MAX];
		size_t size;
	} statements[SWIM_NET_STATEMENTS_MAX];
};

enum swim_net_event_kind { TICK, ARRIVES, WAKES, CONNECTS, TIMES_OUT };

struct swim_net_event {
	mtime_t at;
	uint64_t order;
	enum swim_net_event_kind kind;
	size_t node;
	uint64_t check;
	struct swim_net_packet *packet;
};

/* swim_net.c */
void swim_net_add_event(struct swim_net *net, struct swim_net_event event);
void swim_net_queue_add(struct swim_net_queue *queue, struct swim_net_packet *packet);
struct swim_net_packet *swim_net_queue_take(struct swim_net_queue *queue); /* NULL: empty */
bool swim_net_is_paused(const struct swim_net *net, size_t node);
bool swim_net_is_held(const struct swim_net *net, size_t node); /* paused or blocked */
size_t swim_net_number_of(const struct swim_net *net, const struct id *id);
void swim_net_await_tick(struct swim_net *net, size_t node);

/* swim_net_node.c: what happens to a node now */
void swim_net_tick(struct swim_net *net, size_t node);
void swim_net_packet_arrives(struct swim_net *net, struct swim_net_packet *packet);
void swim_net_check_connects(struct swim_net *net, size_t node);
void swim_net_end_check(struct swim_net *net, size_t node, enum swim_check result);
void swim_net_node_wakes(struct swim_net *net, size_t node);

#endif
