#include "daemon/recon_guard.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "l2/guard_watch.h"

#define LOOK_MS	   10000 /* between looks at the table where nothing is heard of */
#define EVENT_MS   20	 /* a script that replaces a whole ruleset does so in one go */
#define LOOK_SHARE 5	 /* of a worker thread for looking and putting back, as a divisor */
#define NS_IN_MS   1000000

struct recon_guard {
	uv_loop_t *loop;
	recon_guard_cb changed;
	void *arg;
	uv_timer_t timer;
	uv_poll_t poll;
	struct guard_watch *watch; /* NULL: not opened, or it cannot be */
	size_t handles;		   /* open ones */
	bool stopped;

	struct guard_want want;
	struct guard_want stands; /* as the kernel has it; no VNIs: nothing */
	struct guard_counters counters;
	struct recon_faults *faults; /* the owner's */
	bool apply_due;
	bool touched;  /* there were events since work began */
	bool restored; /* told that somebody changed it, until it is found unchanged */
	mtime_t look_at, quiet_until;

	/* The worker's while it works. */
	uv_work_t work;
	bool working;
	struct guard_nft nft;
	struct guard_want job;
	bool job_apply, job_changed, job_stands;
	struct guard_counters job_counters;
	int job_err;
	uint64_t job_ns;
};

static mtime_t now(void)
{
	return (mtime_t){(int64_t)(uv_hrtime() / 1000)};
}

/* ---- the worker thread ---- */

/* Looks first: what others have changed is not to be mended by single elements. */
static void work(uv_work_t *request)
{
	struct recon_guard *guard = request->data;
	uint64_t start_ns = uv_hrtime();
	bool same = true;
	int err = guard_nft_look(&guard->nft, &same, &guard->job_counters);

	guard->job_changed = !err && !same;
	guard->job_stands = same;
	if (!err && (guard->job_apply || !same)) {
		err = guard_nft_apply(&guard->nft, &guard->job);
		guard->job_stands = !err || same;
	}
	guard->job_err = err;
	guard->job_ns = uv_hrtime() - start_ns;
}

static void tell_restored(struct recon_guard *guard)
{
	if (guard->job_changed && !guard->job_err && !guard->restored)
		log_warn("somebody has changed the nftables table of %s: put back",
			guard->job.interface);
	guard->restored = guard->job_changed;
}

static void look_soon(struct recon_guard *guard)
{
	mtime_t soon = mtime_add_ms(now(), EVENT_MS);

	guard->look_at = mtime_min(
		guard->look_at, mtime_before(soon, guard->quiet_until) ? guard->quiet_until : soon);
}

static void schedule(struct recon_guard *guard);

static void worked(uv_work_t *request, int status)
{
	struct recon_guard *guard = request->data;
	int64_t cost_ms = (int64_t)(guard->job_ns / NS_IN_MS);

	(void)status; /* nobody cancels it */
	guard->working = false;
	if (guard->stopped)
		return;
	guard->counters = guard->job_counters;
	tell_restored(guard);
	if (guard->job_err) {
		guard->apply_due = true;
		recon_fault_set(guard->faults, RECON_GUARD, now(),
			"segments cannot be guarded with nftables: %s", guard->nft.error);
	} else {
		recon_fault_clear(guard->faults, RECON_GUARD);
		if (guard->job_apply)
			log_debug("nftables table of %s: %zu segments, %zu sources",
				guard->job.interface, guard->job.vni_count,
				guard->job.source_count);
	}
	if (!guard->job_err || !guard->job_stands)
		guard_want_done(&guard->stands);
	if (!guard->job_err) {
		guard->stands = guard->job;
		guard->job = (struct guard_want){0};
	} else {
		guard_want_done(&guard->job);
	}
	guard->quiet_until = mtime_add_ms(now(), cost_ms * LOOK_SHARE);
	guard->look_at = mtime_add_ms(
		now(), cost_ms * LOOK_SHARE > LOOK_MS ? cost_ms * LOOK_SHARE : LOOK_MS);
	if (guard->touched) /* by us, or by somebody after we had looked */
		look_soon(guard);
	schedule(guard);
	guard->changed(guard->arg);
}

static void start_work(struct recon_guard *guard)
{
	if (guard_want_copy(&guard->want, &guard->job))
		return; /* the timer tries again */
	guard->job_apply = guard->apply_due;
	guard->job_counters = guard->counters;
	guard->work.data = guard;
	if (uv_queue_work(guard->loop, &guard->work, work, worked)) {
		guard_want_done(&guard->job);
		return;
	}
	guard->apply_due = guard->touched = false;
	guard->working = true;
}

/* ---- when ---- */

static bool anything(const struct recon_guard *guard)
{
	return guard->want.vni_count || guard->stands.vni_count || guard->apply_due;
}

static mtime_t next_work(const struct recon_guard *guard)
{
	if (guard->faults->of[RECON_GUARD].text[0])
		return guard->faults->of[RECON_GUARD].next;
	return guard->apply_due ? now() : guard->look_at;
}

static void timer_fired(uv_timer_t *timer)
{
	struct recon_guard *guard = timer->data;

	if (!guard->working && mtime_reached(now(), next_work(guard)))
		start_work(guard);
	schedule(guard);
}

static void schedule(struct recon_guard *guard)
{
	int64_t delay_ms;

	if (guard->stopped || guard->working || !anything(guard)) {
		(void)uv_timer_stop(&guard->timer);
		return;
	}
	delay_ms = mtime_diff_us(next_work(guard), now()) / 1000 + 1;
	uv_update_time(guard->loop);
	(void)uv_timer_start(&guard->timer, timer_fired, delay_ms < 1 ? 1 : delay_ms, 0);
}

static void watch_ready(uv_poll_t *poll, int status, int events)
{
	struct recon_guard *guard = poll->data;

	(void)status;
	(void)events;
	if (!guard_watch_drain(guard->watch))
		return;
	guard->touched = true;
	look_soon(guard);
	schedule(guard);
}

/* ---- its owner ---- */

static void handle_closed(uv_handle_t *handle)
{
	struct recon_guard *guard = handle->data;

	guard->handles--;
}

int recon_guard_new(uv_loop_t *loop, struct recon_faults *faults, recon_guard_cb changed, void *arg,
	struct recon_guard **ret)
{
	struct recon_guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return ERR_NOMEM;
	guard->loop = loop;
	guard->faults = faults;
	guard->changed = changed;
	guard->arg = arg;
	(void)uv_timer_init(loop, &guard->timer);
	guard->timer.data = guard;
	guard->handles++;
	*ret = guard;
	return 0;
}

/* Where there are no events, the looks find out. */
static void watch(struct recon_guard *guard)
{
	if (guard->watch || guard_watch_new(guard->want.interface, &guard->watch))
		return;
	if (uv_poll_init(guard->loop, &guard->poll, guard_watch_fd(guard->watch))) {
		guard_watch_free(guard->watch);
		guard->watch = NULL;
		return;
	}
	guard->handles++;
	guard->poll.data = guard;
	(void)uv_poll_start(&guard->poll, UV_READABLE, watch_ready);
}

int recon_guard_want(struct recon_guard *guard, const struct guard_want *want)
{
	struct guard_want copy;
	int err;

	if (guard->want.interface[0] && guard_want_equal(&guard->want, want))
		return 0;
	err = guard_want_copy(want, &copy);
	if (err)
		return err;
	guard_want_done(&guard->want);
	guard->want = copy;
	guard->apply_due = true;
	guard->faults->of[RECON_GUARD].next = now(); /* another one may succeed */
	if (want->vni_count)
		watch(guard);
	schedule(guard);
	return 0;
}

enum recon_guard_state recon_guard_state(const struct recon_guard *guard, uint32_t vni)
{
	if (!guard_want_has(&guard->want, vni))
		return RECON_GUARD_OPEN;
	if (guard_want_has(&guard->stands, vni))
		return RECON_GUARD_COVERED;
	return recon_guard_problem(guard) ? RECON_GUARD_OPEN : RECON_GUARD_PENDING;
}

const char *recon_guard_problem(const struct recon_guard *guard)
{
	return recon_fault_text(guard->faults, RECON_GUARD, RECON_GUARD);
}

void recon_guard_counters(const struct recon_guard *guard, struct guard_counters *ret)
{
	*ret = guard->counters;
}

void recon_guard_stop(struct recon_guard *guard)
{
	if (!guard || guard->stopped)
		return;
	guard->stopped = true;
	uv_close((uv_handle_t *)&guard->timer, handle_closed);
	if (guard->watch)
		uv_close((uv_handle_t *)&guard->poll, handle_closed);
}

void recon_guard_free(struct recon_guard *guard)
{
	if (!guard)
		return;
	assert(guard->handles == 0 && !guard->working);
	guard_watch_free(guard->watch);
	guard_want_done(&guard->want);
	guard_want_done(&guard->stands);
	guard_want_done(&guard->job);
	guard_nft_done(&guard->nft);
	free(guard);
}

int recon_guard_cleanup(const struct config *config)
{
	char error[GUARD_ERROR_SIZE];
	int err = guard_nft_remove(config->interface, error);

	if (err == ERR_STATE)
		log_warn("%s", error);
	else if (err)
		log_error(
			"cannot take down the nftables table of %s: %s", config->interface, error);
	return err && err != ERR_STATE ? ERR_SYSTEM : 0;
}
