/*
 * One turn of the loop: the one place where the core's effects become datagrams, stream writes,
 * database writes and events, where its clock is kept, and where what changed is handed to the
 * parts, rate-limited. Private to daemon.c and daemon_mesh.c.
 */
#ifndef MESHD_DAEMON_LOOP_H
#define MESHD_DAEMON_LOOP_H

#include "daemon/daemon.h"
#include "daemon/state.h"
#include "daemon/transport.h"

extern const struct transport_events loop_transport_events; /* their arg is the daemon */

struct loop_hooks {
	void (*changed)(struct daemon *daemon);
	void (*values)(struct daemon *daemon);
	/* EFFECT_JOINED and EFFECT_LEFT; text is good during the call. */
	void (*joined)(struct daemon *daemon, int err, const char *text);
	void (*left)(struct daemon *daemon);
	/* EFFECT_KEY: what follows is sent when it returns. */
	void (*key)(struct daemon *daemon);
	/* EFFECT_PONG */
	void (*pong)(struct daemon *daemon, uint64_t ticket, int64_t rtt_us);
};

/* hooks are borrowed. Handles are in the loop from here on. */
int loop_new(struct daemon *daemon, const struct loop_hooks *hooks, struct loop **ret) MUST_CHECK;
void loop_stop(struct daemon *daemon);
void loop_free(struct loop *loop);

/* Takes all effects there are. Not from within a call of the core. */
void loop_drain(struct daemon *daemon);
/* What the storage thread has signed, and reports; arg is the daemon. */
void loop_signed(void *arg, const struct hash *hash, const struct sig *sig);
void loop_stored(void *arg, const struct state_report *report);
/* Calls changed() without waiting for the interval. */
void loop_plan_now(struct daemon *daemon);
/* The highest ticket that the core has given out. */
uint64_t loop_last_ticket(const struct daemon *daemon);

/* As daemon_after_ticket; text is what done is given when err is not 0. */
int loop_wait(struct daemon *daemon, uint64_t ticket, daemon_ticket_cb ticket_done,
	daemon_done_cb done, void *arg) MUST_CHECK;
void loop_forget(struct daemon *daemon, const void *arg);
/* The core is another one, with tickets of its own: whoever waits is told ERR_STATE. */
void loop_core_replaced(struct daemon *daemon);

#endif
