#include "daemon/discover_mdns.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/discover_mdns_internal.h"

#define END_MS	    1000 /* a thread that hangs in D-Bus for longer is left behind at the end */
#define VIEW_GAP_MS 20	 /* between two views: a burst of announcements is one */

struct discover_mdns {
	/* the loop's */
	uv_async_t async;
	uv_timer_t patience;
	uv_thread_t thread;
	bool has_thread;
	void (*changed)(void *arg);
	void *arg;
	bool stopped;
	int wake_fd; /* eventfd: there is something new for the thread */
	/* under the lock */
	uv_mutex_t lock;
	unsigned holders; /* the loop and the thread: the last one frees it */
	bool stop;	  /* the thread is to end */
	bool ended;	  /* it has */
	bool abandoned;	  /* it is not waited for: it touches no handle any more */
	struct discover_want want;
	struct discover_view view;
};

mtime_t discover_mdns_now(void)
{
	return (mtime_t){(int64_t)(uv_hrtime() / 1000)};
}

static void release(struct discover_mdns *mdns)
{
	bool last;

	uv_mutex_lock(&mdns->lock);
	last = --mdns->holders == 0;
	uv_mutex_unlock(&mdns->lock);
	if (!last)
		return;
	uv_mutex_destroy(&mdns->lock);
	close(mdns->wake_fd);
	free(mdns);
}

/* ---- the thread: the client ---- */

void discover_mdns_refused(struct discover_thread *thread, const char *what, int error)
{
	if (error == AVAHI_ERR_DISCONNECTED || error == AVAHI_ERR_NO_DAEMON ||
		error == AVAHI_ERR_DBUS_ERROR)
		thread->failed = true;
	snprintf(thread->why, sizeof(thread->why), "avahi-daemon refuses to %s: %s", what,
		avahi_strerror(error));
	thread->retry_next = mtime_add_ms(discover_mdns_now(), DISCOVER_RETRY_MS);
	thread->table_changed = true;
}

/* Comes before avahi_client_new returns, too. */
static void client_changed(AvahiClient *client, AvahiClientState state, void *arg)
{
	struct discover_thread *thread = arg;

	thread->table_changed = true;
	thread->running = state == AVAHI_CLIENT_S_RUNNING;
	thread->withdrawn = false;
	switch (state) {
	case AVAHI_CLIENT_S_RUNNING:
		thread->why[0] = '\0';
		break;
	case AVAHI_CLIENT_S_REGISTERING:
	case AVAHI_CLIENT_S_COLLISION:
		thread->withdrawn = true;
		break;
	case AVAHI_CLIENT_CONNECTING:
		snprintf(thread->why, sizeof(thread->why), "avahi-daemon is not running");
		break;
	case AVAHI_CLIENT_FAILURE:
		thread->failed = true;
		snprintf(thread->why, sizeof(thread->why), "avahi-daemon is gone: %s",
			avahi_strerror(avahi_client_errno(client)));
		break;
	}
}

static void connect_client(struct discover_thread *thread, mtime_t now)
{
	int error = 0;

	thread->failed = false;
	thread->client = avahi_client_new(avahi_simple_poll_get(thread->poll), AVAHI_CLIENT_NO_FAIL,
		client_changed, thread, &error);
	thread->connect_next = mtime_add_ms(now, DISCOVER_RETRY_MS);
	if (thread->client)
		return;
	thread->running = false;
	thread->table_changed = true;
	snprintf(thread->why, sizeof(thread->why), "avahi-daemon is not reached over D-Bus: %s",
		avahi_strerror(error));
}

static void end_speaker(struct discover_thread *thread, size_t at)
{
	discover_publish_end(&thread->speakers[at]);
	discover_browse_end(thread, &thread->speakers[at]);
	thread->speakers[at] = thread->speakers[--thread->speaker_count];
}

static void disconnect(struct discover_thread *thread)
{
	while (thread->speaker_count)
		end_speaker(thread, 0);
	if (thread->client)
		avahi_client_free(thread->client);
	thread->client = NULL;
	thread->running = thread->failed = thread->withdrawn = false;
	thread->browse_again = thread->retry_next = MTIME_NEVER;
}

/* ---- the thread: by turns ---- */

static bool is_listed(
	const struct discover_link *list, size_t count, const struct discover_link *link)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].ifindex == link->ifindex && strcmp(list[i].name, link->name) == 0)
			return true;
	}
	return false;
}

static bool has_speaker(const struct discover_thread *thread, const struct discover_link *link)
{
	for (size_t i = 0; i < thread->speaker_count; i++) {
		if (is_listed(&thread->speakers[i].link, 1, link))
			return true;
	}
	return false;
}

static void match_links(struct discover_thread *thread)
{
	const struct discover_want *want = &thread->want;

	for (size_t i = thread->speaker_count; i-- > 0;) {
		if (!is_listed(want->links, want->link_count, &thread->speakers[i].link))
			end_speaker(thread, i);
	}
	for (size_t i = 0; i < want->link_count; i++) {
		if (!has_speaker(thread, &want->links[i]))
			thread->speakers[thread->speaker_count++] =
				(struct discover_speaker){.link = want->links[i]};
	}
}

static void withdraw(struct discover_thread *thread)
{
	for (size_t i = 0; i < thread->speaker_count; i++)
		discover_publish_end(&thread->speakers[i]);
}

static void turn(struct discover_thread *thread)
{
	mtime_t now = discover_mdns_now();

	if (thread->failed || !thread->want.on)
		disconnect(thread);
	if (!thread->want.on)
		return;
	if (!thread->client && mtime_reached(now, thread->connect_next))
		connect_client(thread, now);
	if (thread->withdrawn)
		withdraw(thread);
	if (!thread->running || thread->failed)
		return;
	if (mtime_reached(now, thread->retry_next)) {
		thread->retry_next = MTIME_NEVER;
		thread->why[0] = '\0';
		thread->table_changed = true;
	}
	match_links(thread);
	discover_browse_turn(thread, now);
	discover_publish_turn(thread, now);
}

static mtime_t next_turn(const struct discover_thread *thread)
{
	mtime_t next;

	if (!thread->want.on)
		return MTIME_NEVER;
	if (thread->failed || !thread->client)
		return thread->connect_next;
	next = mtime_min(thread->retry_next, discover_browse_deadline(thread));
	return thread->running ? next : MTIME_NEVER;
}

/* ---- the thread: what it shares ---- */

static const char *link_name(const struct discover_thread *thread, uint32_t ifindex)
{
	for (size_t i = 0; i < thread->speaker_count; i++) {
		if (thread->speakers[i].link.ifindex == ifindex)
			return thread->speakers[i].link.name;
	}
	return "";
}

static void show_row(const struct discover_thread *thread, const struct discover_row *row,
	struct discover_view *view)
{
	struct discover_seen *seen = &view->seen[view->count++];

	*seen = (struct discover_seen){
		.endpoint = row->endpoint, .ours = row->ours, .has_tag = row->txt.has_tag};
	memcpy(seen->salt, row->txt.salt, sizeof(seen->salt));
	memcpy(seen->tag, row->txt.tag, sizeof(seen->tag));
	snprintf(seen->link, sizeof(seen->link), "%s", link_name(thread, row->ifindex));
}

static void show(struct discover_mdns *mdns, struct discover_thread *thread)
{
	struct discover_view *view = &mdns->view;

	thread->table_changed = false;
	uv_mutex_lock(&mdns->lock);
	view->state = !thread->want.on	  ? DISCOVER_OFF
		      : thread->running	  ? DISCOVER_RUNNING
		      : thread->withdrawn ? DISCOVER_STARTING
					  : DISCOVER_UNAVAILABLE;
	memcpy(view->why, thread->why, sizeof(view->why));
	view->displaced = thread->table.displaced;
	view->count = 0;
	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++) {
		if (thread->table.rows[i].used && thread->table.rows[i].resolved)
			show_row(thread, &thread->table.rows[i], view);
	}
	if (!mdns->abandoned)
		uv_async_send(&mdns->async);
	uv_mutex_unlock(&mdns->lock);
}

/* false: the thread is to end. */
static bool take_want(struct discover_mdns *mdns, struct discover_thread *thread)
{
	struct discover_want before = thread->want;
	bool go_on;

	uv_mutex_lock(&mdns->lock);
	thread->want = mdns->want;
	go_on = !mdns->stop;
	uv_mutex_unlock(&mdns->lock);
	if (before.on != thread->want.on) {
		thread->table_changed = true;
		thread->connect_next = MTIME_ZERO;
		thread->why[0] = '\0';
	}
	if ((before.has_mesh != thread->want.has_mesh ||
		    !id_equal(&before.mesh, &thread->want.mesh)) &&
		discover_table_judge(
			&thread->table, thread->want.has_mesh ? &thread->want.mesh : NULL))
		thread->table_changed = true;
	return go_on;
}

static void wait_for(struct discover_thread *thread, mtime_t next)
{
	int64_t wait_ms = -1;

	if (next.us != MTIME_NEVER.us)
		wait_ms = mtime_diff_ms(next, discover_mdns_now()) + 1;
	(void)avahi_simple_poll_iterate(thread->poll, next.us == MTIME_NEVER.us ? -1
						      : wait_ms < 0		? 0
										: (int)wait_ms);
}

static void woken(AvahiWatch *watch, int fd, AvahiWatchEvent event, void *arg)
{
	uint64_t count;

	(void)watch;
	(void)event;
	(void)arg;
	(void)!read(fd, &count, sizeof(count));
}

static void work(struct discover_mdns *mdns, struct discover_thread *thread)
{
	mtime_t show_next = MTIME_ZERO;

	while (take_want(mdns, thread)) {
		mtime_t next;

		turn(thread);
		next = next_turn(thread);
		if (thread->table_changed && mtime_reached(discover_mdns_now(), show_next)) {
			show(mdns, thread);
			show_next = mtime_add_ms(discover_mdns_now(), VIEW_GAP_MS);
		}
		if (thread->table_changed)
			next = mtime_min(next, show_next);
		wait_for(thread, next);
	}
}

static void run(void *arg)
{
	struct discover_mdns *mdns = arg;
	struct discover_thread *thread = calloc(1, sizeof(*thread));
	const AvahiPoll *api;

	if (thread)
		thread->poll = avahi_simple_poll_new();
	if (thread && thread->poll) {
		api = avahi_simple_poll_get(thread->poll);
		randombytes_buf(thread->salt, sizeof(thread->salt));
		thread->browse_again = thread->retry_next = MTIME_NEVER;
		if (api->watch_new(api, mdns->wake_fd, AVAHI_WATCH_IN, woken, NULL))
			work(mdns, thread);
		disconnect(thread);
		avahi_simple_poll_free(thread->poll);
	}
	free(thread);
	uv_mutex_lock(&mdns->lock);
	mdns->ended = true;
	if (!mdns->abandoned)
		uv_async_send(&mdns->async);
	uv_mutex_unlock(&mdns->lock);
	release(mdns);
}

/* ---- the loop ---- */

static void close_handles(struct discover_mdns *mdns)
{
	uv_close((uv_handle_t *)&mdns->async, NULL);
	uv_close((uv_handle_t *)&mdns->patience, NULL);
}

static void on_async(uv_async_t *async)
{
	struct discover_mdns *mdns = async->data;
	bool ended;

	uv_mutex_lock(&mdns->lock);
	ended = mdns->ended;
	uv_mutex_unlock(&mdns->lock);
	if (!mdns->stopped) {
		mdns->changed(mdns->arg);
	} else if (ended && !uv_is_closing((uv_handle_t *)async)) {
		(void)uv_thread_join(&mdns->thread);
		close_handles(mdns);
	}
}

/* D-Bus hangs. What the thread holds is its own, and ends with the process. */
static void on_impatient(uv_timer_t *timer)
{
	struct discover_mdns *mdns = timer->data;
	bool ended;

	uv_mutex_lock(&mdns->lock);
	ended = mdns->ended;
	mdns->abandoned = !ended;
	uv_mutex_unlock(&mdns->lock);
	if (ended)
		(void)uv_thread_join(&mdns->thread);
	else
		(void)pthread_detach(mdns->thread);
	if (!uv_is_closing((uv_handle_t *)&mdns->async))
		close_handles(mdns);
}

/* Signals are for the loop's thread. */
static int start_thread(struct discover_mdns *mdns)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = uv_thread_create(&mdns->thread, run, mdns);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int discover_mdns_new(
	uv_loop_t *loop, void (*changed)(void *arg), void *arg, struct discover_mdns **ret)
{
	struct discover_mdns *mdns = calloc(1, sizeof(*mdns));
	int rc;

	if (!mdns)
		return ERR_NOMEM;
	mdns->changed = changed;
	mdns->arg = arg;
	mdns->holders = 2;
	mdns->view.state = DISCOVER_STARTING;
	mdns->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mdns->wake_fd < 0 || uv_mutex_init(&mdns->lock)) {
		if (mdns->wake_fd >= 0)
			close(mdns->wake_fd);
		free(mdns);
		return ERR_SYSTEM;
	}
	mdns->async.data = mdns->patience.data = mdns;
	if (uv_async_init(loop, &mdns->async, on_async)) {
		mdns->holders = 1;
		release(mdns);
		return ERR_SYSTEM;
	}
	(void)uv_timer_init(loop, &mdns->patience);
	rc = start_thread(mdns);
	mdns->has_thread = rc == 0;
	if (rc) {
		mdns->holders = 1;
		mdns->view.state = DISCOVER_UNAVAILABLE;
		snprintf(mdns->view.why, sizeof(mdns->view.why), "no thread for it: %s",
			uv_strerror(rc));
	}
	*ret = mdns;
	return 0;
}

static void wake(struct discover_mdns *mdns)
{
	const uint64_t one = 1;

	(void)!write(mdns->wake_fd, &one, sizeof(one));
}

void discover_mdns_set(struct discover_mdns *mdns, const struct discover_want *want)
{
	uv_mutex_lock(&mdns->lock);
	mdns->want = *want;
	uv_mutex_unlock(&mdns->lock);
	wake(mdns);
}

void discover_mdns_view(struct discover_mdns *mdns, struct discover_view *ret)
{
	uv_mutex_lock(&mdns->lock);
	ret->state = mdns->view.state;
	memcpy(ret->why, mdns->view.why, sizeof(ret->why));
	ret->displaced = mdns->view.displaced;
	ret->count = mdns->view.count;
	memcpy(ret->seen, mdns->view.seen, ret->count * sizeof(ret->seen[0]));
	uv_mutex_unlock(&mdns->lock);
}

void discover_mdns_stop(struct discover_mdns *mdns)
{
	if (!mdns || mdns->stopped)
		return;
	mdns->stopped = true;
	if (!mdns->has_thread) {
		close_handles(mdns);
		return;
	}
	uv_mutex_lock(&mdns->lock);
	mdns->stop = true;
	uv_mutex_unlock(&mdns->lock);
	wake(mdns);
	uv_timer_start(&mdns->patience, on_impatient, END_MS, 0);
}

void discover_mdns_free(struct discover_mdns *mdns)
{
	if (mdns)
		release(mdns);
}
