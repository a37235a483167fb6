/*
 * One connection to the control socket. It is asked one thing at a time: the next request is read
 * when the last answer has been taken. A handler (ctl_verb.h) answers at once or later, and exactly
 * once; when the client goes away meanwhile, whatever was to call back with it is forgotten
 * (daemon_forget), and what it asked for goes on.
 */
#ifndef MESHD_DAEMON_CTL_CLIENT_H
#define MESHD_DAEMON_CTL_CLIENT_H

#include "daemon/daemon.h"
#include "daemon/events.h"
#include "daemon/ipc/ipc.h"

/* Connections beyond IPC_CLIENTS_MAX for root and the daemon's own user: whoever may only look
 * cannot lock them out. */
#define CTL_CLIENTS_RESERVED 4

/* Bytes of answers that wait for clients to take them, in all: one full one and small ones. */
#define CTL_OUTPUT_MAX ((size_t)96 << 20)

struct ctl_client;

/* What all of them share. */
struct ctl_clients {
	struct daemon *daemon;
	/* Answers a request, now or later, and exactly once: ctl_verb_run. */
	void (*run)(struct ctl_client *client, const struct ipc_request *request);
	struct ctl_client *first;
	size_t count;
	size_t output_size; /* bytes that wait to be taken, over all */
};

/* Puts items; called again whenever they have been taken or ctl_client_pump() says so. */
enum ctl_stream { CTL_STREAM_WAIT, CTL_STREAM_MORE, CTL_STREAM_END };
typedef enum ctl_stream (*ctl_client_fill)(struct ctl_client *client, struct pack *out);

struct ctl_client {
	uv_pipe_t pipe;
	uv_timer_t timer; /* of IPC_IDLE_TIMEOUT_MS, and a handler's own while it is busy */
	uv_write_t write;
	struct ctl_clients *all;
	struct daemon *daemon;
	struct ctl_client *next;
	unsigned open_handles;
	bool may_change; /* root, or the daemon's own user */
	bool closing;
	bool busy;    /* a request is being answered */
	bool taken;   /* in this turn: what comes behind it is looked at in the next */
	bool writing; /* output is on its way */
	bool hang_up; /* after this answer */

	uint8_t head[IPC_HEAD_SIZE];
	uint8_t *body;
	size_t body_size, have; /* have counts the head as well */
	char surplus;		/* where bytes land that must not come */

	struct pack out;
	ctl_client_fill fill; /* NULL: the answer is whole */
	void *task;	      /* what a handler has to remember; wiped and freed with the answer */
	size_t task_size;

	/* What stands over several requests of this connection; held_free releases it. */
	void *held;
	void (*held_free)(void *held);

	struct events_follower follower;
	uint64_t event, event_end; /* the next to send; where a stream that does not follow ends */
	bool follows;
	bool watches; /* keys, ctl_kv_watch.c */
	bool pings;   /* a member, ctl_ping.c */
};

/* Takes over what uv_accept has put into the pipe of a client from ctl_client_new; frees it by
 * itself when it is done. */
int ctl_client_new(struct ctl_clients *all, struct ctl_client **ret) MUST_CHECK;
void ctl_client_start(struct ctl_client *client);
void ctl_client_close(struct ctl_client *client);

/* An answer of one frame: begin, put its value, end. */
struct pack *ctl_client_begin_ok(struct ctl_client *client);
void ctl_client_end_ok(struct ctl_client *client);
/* Or this. Exit status 1: refused or failed; 2: what was asked for makes no sense. */
void ctl_client_refuse(struct ctl_client *client, int err, unsigned exit_status, const char *format,
	...) __attribute__((format(printf, 4, 5)));
/* Or a stream of items: fill puts them, and the end's frame before it answers CTL_STREAM_END. */
void ctl_client_stream(struct ctl_client *client, ctl_client_fill fill);
void ctl_client_pump(struct ctl_client *client);
/* Holds this until the connection ends, or something else (NULL: nothing) is held. */
void ctl_client_hold(struct ctl_client *client, void *held, void (*held_free)(void *held));
/* Zeroed memory until the answer is sent; NULL: refused already. */
void *ctl_client_task(struct ctl_client *client, size_t size);

#endif
