#include "daemon/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/events.h"
#include "daemon/log.h"
#include "daemon/notify.h"

/* Somebody who is told when a ticket is on disk: one of the two callbacks. */
struct waiter {
	struct waiter *next;
	uint64_t ticket;
	daemon_ticket_cb ticket_done;
	daemon_done_cb done;
	void *arg;
};

struct loop {
	const struct loop_hooks *hooks;
	uv_prepare_t prepare;
	uv_timer_t deadline, plan;
	mtime_t armed;	  /* what the deadline timer waits for */
	mtime_t planned;  /* when changed() was called last */
	bool plan_wanted; /* call it again */
	bool draining;
	bool values; /* keys show others: who watches is to be told */
	bool left;   /* EFFECT_LEFT came: the core is replaced once it is drained */
	uint64_t last_ticket, stored_ticket;
	uint64_t hurried_ticket; /* of what the core waits for: the disk has been told */
	bool disk_failing;
	struct waiter *waiters;
};

/* ---- who waits for the disk ---- */

static void waiter_call(struct daemon *daemon, struct waiter *waiter, int err)
{
	const char *text = "";

	if (err == ERR_STATE)
		text = "this node left the mesh meanwhile";
	else if (err)
		text = daemon->warnings[DAEMON_WARNING_STATE]
			       ? daemon->warnings[DAEMON_WARNING_STATE]
			       : "the disk refused it";
	if (waiter->ticket_done)
		waiter->ticket_done(waiter->arg, err);
	else
		waiter->done(waiter->arg, err, text);
	free(waiter);
}

/* The first one with something to be told, off the list: whoever is called may add and forget
 * others. */
static struct waiter *take_due(struct loop *loop)
{
	for (struct waiter **at = &loop->waiters; *at; at = &(*at)->next) {
		struct waiter *waiter = *at;

		if (waiter->ticket <= loop->stored_ticket || loop->disk_failing) {
			*at = waiter->next;
			return waiter;
		}
	}
	return NULL;
}

static void call_waiters(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;
	struct waiter *waiter;

	while ((waiter = take_due(loop)))
		waiter_call(daemon, waiter, waiter->ticket <= loop->stored_ticket ? 0 : ERR_SYSTEM);
}

int loop_wait(struct daemon *daemon, uint64_t ticket, daemon_ticket_cb ticket_done,
	daemon_done_cb done, void *arg)
{
	struct waiter *waiter = malloc(sizeof(*waiter));
	struct waiter **end = &daemon->turn->waiters;

	if (!waiter)
		return ERR_NOMEM;
	*waiter = (struct waiter){
		.ticket = ticket, .ticket_done = ticket_done, .done = done, .arg = arg};
	while (*end)
		end = &(*end)->next;
	*end = waiter;
	/* What it waits for is written while this turn goes on: the next waiter's is not waited
	 * for. */
	loop_drain(daemon);
	state_hurry(daemon->state, ticket);
	return 0;
}

void loop_forget(struct daemon *daemon, const void *arg)
{
	for (struct waiter **at = &daemon->turn->waiters; *at;) {
		struct waiter *waiter = *at;

		if (waiter->arg != arg) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		free(waiter);
	}
}

void loop_core_replaced(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;
	struct waiter *waiter;

	call_waiters(daemon); /* what is on disk is, also that it has left */
	while ((waiter = loop->waiters)) {
		loop->waiters = waiter->next;
		waiter_call(daemon, waiter, ERR_STATE);
	}
	loop->last_ticket = loop->stored_ticket = loop->hurried_ticket = 0;
}

void loop_signed(void *arg, const struct hash *hash, const struct sig *sig)
{
	struct daemon *daemon = arg;

	gossip_signed(daemon->gossip, hash, sig);
}

void loop_stored(void *arg, const struct state_report *report)
{
	struct daemon *daemon = arg;
	struct loop *loop = daemon->turn;

	loop->disk_failing = report->failing;
	if (report->failing)
		daemon_warn(daemon, DAEMON_WARNING_STATE,
			"%s: nothing new is kept until it can be written; it is tried again",
			report->error);
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_STATE);
	if (report->ticket > loop->stored_ticket) {
		loop->stored_ticket = report->ticket;
		gossip_persisted(daemon->gossip, daemon_time(daemon), report->ticket);
		loop_drain(daemon);
	}
}

uint64_t loop_last_ticket(const struct daemon *daemon)
{
	return daemon->turn->last_ticket;
}

/* ---- effects ---- */

static void persist(struct daemon *daemon, const struct gossip_effect *effect)
{
	int err = 0;

	if (effect->kind == EFFECT_PERSIST_RECORD && effect->to_sign)
		err = state_put_unsigned(daemon->state, effect->ticket, &effect->hash,
			effect->bytes, effect->size, (uint64_t)effect->number, effect->stamp);
	else if (effect->kind == EFFECT_PERSIST_RECORD)
		err = state_put_record(daemon->state, effect->ticket, &effect->hash, effect->bytes,
			effect->size, (uint64_t)effect->number);
	else if (effect->kind == EFFECT_PERSIST_REMOVE)
		err = state_remove_record(daemon->state, effect->ticket, &effect->hash);
	else if (effect->kind == EFFECT_PERSIST_MESH)
		err = state_put_mesh(daemon->state, effect->ticket, &effect->id);
	else if (effect->kind == EFFECT_PERSIST_GENERATION)
		err = state_put_generation(daemon->state, effect->ticket, (uint64_t)effect->number);
	else if (effect->kind == EFFECT_PERSIST_NUMBER)
		err = state_put_number(daemon->state, effect->ticket,
			gossip_number_label(effect->name), (uint64_t)effect->number);
	else
		err = state_put_endpoint(
			daemon->state, effect->ticket, &effect->id, &effect->endpoint);
	if (err) {
		/* What comes after would be acknowledged without it. The overlay stays up, and
		 * whoever started us starts us again. */
		log_error("out of memory with a record to keep: ending, so that nothing is "
			  "acknowledged that is not on disk");
		_exit(1);
	}
	if (effect->ticket > daemon->turn->last_ticket)
		daemon->turn->last_ticket = effect->ticket;
}

static void take_event(struct daemon *daemon, const struct gossip_event *event)
{
	static const uint8_t no_mac[sizeof(event->mac)];
	const char *label = gossip_event_label(event->kind), *what = "";
	bool of_segment = event->kind == GOSSIP_EVENT_SEGMENT;
	char mac[TEXT_MAC_SIZE] = "";
	struct timespec now;

	if (of_segment)
		what = gossip_segment_label(event->what);
	if (memcmp(event->mac, no_mac, sizeof(no_mac)) != 0)
		text_mac(event->mac, mac);
	clock_gettime(CLOCK_REALTIME, &now);
	events_add(daemon->events,
		&(struct event){
			.wall_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
			.label = label,
			.node = &event->node,
			.name = event->name,
			.from = event->from,
			.to = event->to,
			.cause = event->cause,
			.by = event->has_by ? &event->by : NULL,
			.segment = of_segment ? event->segment : "",
			.what = what,
			.mac = mac,
		});
	log_info("%s: %s%s%s%s%s%s%s%s%s%s%s%s%s", event->name[0] ? event->name : "?", label,
		of_segment ? " " : "", of_segment ? event->segment : "", *what ? " " : "", what,
		*mac ? " " : "", mac, event->from[0] ? " from " : "", event->from,
		event->to[0] ? " to " : "", event->to, event->cause[0] ? ": " : "", event->cause);
}

static void take_state(struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	log_info("state: %s", gossip_state_label(status.state));
	notify_status(gossip_state_label(status.state));
	if (status.state == GOSSIP_REVOKED)
		daemon_warn(daemon, DAEMON_WARNING_MESH, "%s",
			status.revoked_why ? status.revoked_why : "this node was revoked");
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_MESH);
	daemon_wake(daemon);
}

static void take_effect(struct daemon *daemon, const struct gossip_effect *effect)
{
	switch (effect->kind) {
	case EFFECT_SEND:
		transport_send(daemon->transport, &effect->endpoint, effect->bytes, effect->size);
		break;
	case EFFECT_CONNECT:
		transport_connect(daemon->transport, effect->stream, &effect->endpoint);
		break;
	case EFFECT_STREAM_SEND:
		transport_stream_send(
			daemon->transport, effect->stream, effect->bytes, effect->size);
		break;
	case EFFECT_CLOSE:
		transport_stream_close(daemon->transport, effect->stream);
		break;
	case EFFECT_PERSIST_RECORD:
	case EFFECT_PERSIST_REMOVE:
	case EFFECT_PERSIST_MESH:
	case EFFECT_PERSIST_ENDPOINT:
	case EFFECT_PERSIST_GENERATION:
	case EFFECT_PERSIST_NUMBER:
		persist(daemon, effect);
		break;
	case EFFECT_CHANGED:
	case EFFECT_SEGMENTS:
		daemon_wake(daemon);
		break;
	case EFFECT_STATE:
		take_state(daemon);
		break;
	case EFFECT_EVENT:
		take_event(daemon, effect->event);
		break;
	case EFFECT_JOINED:
		daemon->turn->hooks->joined(daemon, (int)effect->number, effect->text);
		break;
	case EFFECT_VALUES:
		daemon->turn->values = true;
		break;
	case EFFECT_LEFT:
		daemon->turn->left = true;
		break;
	case EFFECT_KEY:
		daemon->turn->hooks->key(daemon);
		break;
	case EFFECT_PONG:
		daemon->turn->hooks->pong(daemon, effect->ticket, effect->number);
		break;
	}
}

void loop_drain(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;
	struct gossip_effect effect;

	if (loop->draining)
		return;
	loop->draining = true;
	while (gossip_next_effect(daemon->gossip, &effect))
		take_effect(daemon, &effect);
	if (gossip_awaited(daemon->gossip) > loop->hurried_ticket) {
		loop->hurried_ticket = gossip_awaited(daemon->gossip);
		state_hurry(daemon->state, loop->hurried_ticket);
	}
	loop->draining = false;
}

/* ---- what comes in ---- */

static void on_datagram(void *arg, const struct endpoint *from, const void *data, size_t size)
{
	struct daemon *daemon = arg;

	gossip_receive(daemon->gossip, daemon_time(daemon), from, data, size);
	loop_drain(daemon);
}

static void on_accepted(void *arg, uint64_t stream, const struct endpoint *from)
{
	struct daemon *daemon = arg;

	gossip_stream_accepted(daemon->gossip, daemon_time(daemon), stream, from);
	loop_drain(daemon);
}

static void on_stream_connected(void *arg, uint64_t stream)
{
	struct daemon *daemon = arg;

	gossip_stream_connected(daemon->gossip, daemon_time(daemon), stream);
	loop_drain(daemon);
}

static void on_received(void *arg, uint64_t stream, const void *data, size_t size)
{
	struct daemon *daemon = arg;

	gossip_stream_received(daemon->gossip, daemon_time(daemon), stream, data, size);
	loop_drain(daemon);
}

static void on_sent(void *arg, uint64_t stream, size_t size)
{
	struct daemon *daemon = arg;

	gossip_stream_sent(daemon->gossip, daemon_time(daemon), stream, size);
	loop_drain(daemon);
}

static void on_closed(void *arg, uint64_t stream)
{
	struct daemon *daemon = arg;

	gossip_stream_closed(daemon->gossip, daemon_time(daemon), stream);
	loop_drain(daemon);
}

const struct transport_events loop_transport_events = {
	.accepted_first = GOSSIP_STREAM_ACCEPTED,
	.datagram = on_datagram,
	.accepted = on_accepted,
	.connected = on_stream_connected,
	.received = on_received,
	.sent = on_sent,
	.closed = on_closed,
};

/* ---- turns ---- */

static void on_deadline(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	daemon->turn->armed = MTIME_NEVER;
	gossip_tick(daemon->gossip, daemon_time(daemon));
	loop_drain(daemon);
}

static void arm(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;
	mtime_t deadline = gossip_deadline(daemon->gossip);
	int64_t left_us;

	if (deadline.us == loop->armed.us)
		return;
	loop->armed = deadline;
	if (deadline.us == MTIME_NEVER.us) {
		uv_timer_stop(&loop->deadline);
		return;
	}
	/* Rounded up: a tick before its time would only be another one. */
	left_us = mtime_diff_us(deadline, daemon_time(daemon).now);
	uv_timer_start(&loop->deadline, on_deadline,
		left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
}

static void on_plan(uv_timer_t *timer)
{
	(void)timer; /* this turn's prepare does it */
}

void loop_plan_now(struct daemon *daemon)
{
	daemon->turn->plan_wanted = false;
	daemon->turn->planned = daemon_time(daemon).now;
	daemon->turn->hooks->changed(daemon);
	loop_drain(daemon);
}

static void plan(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;
	int64_t since_ms;

	if (!loop->plan_wanted)
		return;
	since_ms = mtime_diff_ms(daemon_time(daemon).now, loop->planned);
	if (since_ms < DAEMON_PLAN_INTERVAL_MS) {
		if (!uv_is_active((uv_handle_t *)&loop->plan))
			uv_timer_start(&loop->plan, on_plan,
				(uint64_t)(DAEMON_PLAN_INTERVAL_MS - since_ms), 0);
		return;
	}
	loop_plan_now(daemon);
}

/* Before the loop waits for something to happen. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct daemon *daemon = prepare->data;
	struct loop *loop = daemon->turn;

	loop_drain(daemon);
	if (loop->left) {
		loop->left = false;
		loop->hooks->left(daemon);
		if (daemon->stopping)
			return; /* there is no core any more */
		loop_drain(daemon);
	}
	call_waiters(daemon);
	if (daemon->stopping)
		return; /* one of them could not go on: perhaps there is no core, either */
	loop_drain(daemon);
	if (loop->values) {
		loop->values = false;
		loop->hooks->values(daemon);
	}
	plan(daemon);
	arm(daemon);
}

void daemon_wake(struct daemon *daemon)
{
	daemon->turn->plan_wanted = true;
	/* Also where nothing else would end the wait. */
	if (!daemon->stopping && !uv_is_active((uv_handle_t *)&daemon->turn->plan))
		uv_timer_start(&daemon->turn->plan, on_plan, 0, 0);
}

int loop_new(struct daemon *daemon, const struct loop_hooks *hooks, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return ERR_NOMEM;
	loop->hooks = hooks;
	loop->armed = MTIME_NEVER;
	uv_prepare_init(&daemon->loop, &loop->prepare);
	uv_timer_init(&daemon->loop, &loop->deadline);
	uv_timer_init(&daemon->loop, &loop->plan);
	loop->prepare.data = loop->deadline.data = loop->plan.data = daemon;
	uv_prepare_start(&loop->prepare, on_prepare);
	*ret = loop;
	return 0;
}

void loop_stop(struct daemon *daemon)
{
	struct loop *loop = daemon->turn;

	if (!loop || uv_is_closing((uv_handle_t *)&loop->prepare))
		return;
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->deadline, NULL);
	uv_close((uv_handle_t *)&loop->plan, NULL);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->waiters) {
		struct waiter *waiter = loop->waiters;

		loop->waiters = waiter->next;
		free(waiter);
	}
	free(loop);
}
