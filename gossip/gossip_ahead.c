/*
 * Whose clock was ahead, and is right now. What it said meanwhile nobody takes until its time has
 * come, nor what it says from now on, which has to come after that. So it takes its words back: its
 * stamps begin anew at the present, and what it holds of its own from the future it writes again.
 *
 * Where others were as wrong and have those words, the new ones take their place there, as soon as
 * it is known that they are from the future. And where somebody goes on to have them, and brings
 * them when their time has come, they stand: no author knows of all that was taken then.
 *
 * That the clock is right now is another's word as well as this node's own, lest it be made to take
 * back what was right: the latest counts of what it believes itself and what the others say.
 */
#include "gossip/gossip_ahead.h"

#include "gossip/gossip_age.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_lease.h"
#include "gossip/gossip_record.h"
#include "gossip/replica/store.h"

/* A clock that steps, its own or another's, is given that long. A pass a minute: a clock that goes
 * to and fro would have all written again each time. So many signatures take about 2 ms. */
#define AHEAD_LOOK_MS	1000
#define AHEAD_SETTLE_MS 10000
#define AHEAD_GAP_MS	60000
#define AHEAD_BATCH	64
#define AHEAD_LOOKS	4096 /* at records of others in between */
#define AHEAD_STEP_MS	10

/* The latest that the time may be. false: nobody knows. */
static bool latest_now(const struct gossip *g, int64_t *ret_ms)
{
	int64_t offset_ms = 0, latest_ms = gossip_mesh_time(g).ms;
	size_t clocks = gossip_clocks(g, &offset_ms);

	if (!gossip_mesh_time_known(g) || (clocks == 0 && swim_count(g->swim) != 0))
		return false;
	if (clocks && g->time.wall.ms + offset_ms > latest_ms)
		latest_ms = g->time.wall.ms + offset_ms;
	/* one alone may lie */
	if (clocks <= 1 && g->time.wall.ms > latest_ms)
		latest_ms = g->time.wall.ms;
	*ret_ms = latest_ms;
	return true;
}

static bool is_ahead_of(int64_t now_ms, uint64_t stamp)
{
	return hlc_stamp_ms(stamp) > now_ms + GOSSIP_AHEAD_MS;
}

/* Of whatever the latest is; others' clocks are looked at only where it may be. */
static bool is_ahead(const struct gossip *g, uint64_t stamp, int64_t *ret_now_ms)
{
	int64_t now_ms;

	if (!is_ahead_of(gossip_mesh_time(g).ms, stamp) || !latest_now(g, &now_ms) ||
		!is_ahead_of(now_ms, stamp))
		return false;
	*ret_now_ms = now_ms;
	return true;
}

bool gossip_ahead_yields(
	const struct gossip *g, const struct record *held, const struct record *record)
{
	bool own = id_equal(&held->author, &g->config.identity->id);
	int64_t now_ms;

	/* what others bring of its own may be older than what it is about to write again */
	if (own && record != g->storing)
		return false;
	return !authority_concerns(held->type) && is_ahead(g, held->stamp, &now_ms) &&
	       !is_ahead_of(now_ms, record->stamp);
}

/* The place before all that is ahead. */
static struct order_key edge(enum order_class class, int64_t now_ms)
{
	return (struct order_key){
		.class = class, .stamp = hlc_from_ms(now_ms + GOSSIP_AHEAD_MS + 1)};
}

/* Of what is not ahead. */
static uint64_t latest_stamp(const struct gossip *g, int64_t now_ms)
{
	uint64_t latest = 0;

	for (int class = 0; class < ORDER_CLASSES; class ++) {
		const struct order_key end = edge((enum order_class) class, now_ms);
		size_t rank = order_rank(store_order(g->store), &end);
		const struct order_node *last =
			rank ? order_at(store_order(g->store), rank - 1) : NULL;

		if (last && order_class(last->record->type) == (enum order_class) class &&
			last->record->stamp > latest)
			latest = last->record->stamp;
	}
	return latest;
}

/* As in a new life: what was said at these times before may be known to others. */
static void begin_anew(struct gossip *g, int64_t now_ms)
{
	hlc_begin(&g->hlc, rng_u64(&g->rng));
	g->hlc.last = latest_stamp(g, now_ms);
	gossip_age_set_back(g, now_ms);
	g->ahead.at = edge(ORDER_OTHER, now_ms);
	g->ahead.writing = true;
}

static int write_again(struct gossip *g, const struct record *record)
{
	struct record_draft draft = {.type = (enum record_type)record->type,
		.key = record->key,
		.key_size = record->key_size,
		.expiry_ms = record->expiry_ms,
		.value = record->value,
		.value_size = record->value_size};

	if (record->type == RECORD_DESCRIPTOR)
		draft.expiry_ms = gossip_lease_expiry(g);
	return gossip_record_publish(g, g->config.identity, &draft);
}

/* In the order in which they were written, so that the last word on a key stays it. */
static void write_some(struct gossip *g)
{
	const struct id *self = &g->config.identity->id;
	int written = 0;

	for (int looks = 0; looks < AHEAD_LOOKS && written < AHEAD_BATCH; looks++) {
		struct order_node *node = order_after(store_order(g->store), &g->ahead.at);

		if (!node) {
			g->ahead.writing = false;
			return;
		}
		g->ahead.at = order_key(node->record);
		if (!id_equal(&node->record->author, self))
			continue;
		if (write_again(g, node->record) != 0) {
			g->ahead.writing = false;
			return;
		}
		written++;
	}
}

static void look(struct gossip *g)
{
	int64_t now_ms;

	if (!is_ahead(g, g->hlc.last, &now_ms)) {
		g->ahead.since = MTIME_NEVER;
		return;
	}
	if (g->ahead.since.us == MTIME_NEVER.us)
		g->ahead.since = g->time.now;
	/* what is on its way to the disk is not there to be found yet */
	if (mtime_diff_ms(g->time.now, g->ahead.since) >= AHEAD_SETTLE_MS && !g->own_first &&
		mtime_allows(&g->ahead.rate, g->time.now, AHEAD_GAP_MS, 1))
		begin_anew(g, now_ms);
}

void gossip_ahead_start(struct gossip *g)
{
	g->ahead = (struct ahead){.next = g->time.now, .since = MTIME_NEVER};
}

void gossip_ahead_tick(struct gossip *g)
{
	if (g->state != GOSSIP_RUNNING || !mtime_reached(g->time.now, g->ahead.next))
		return;
	if (!g->ahead.writing)
		look(g);
	if (g->ahead.writing)
		write_some(g);
	g->ahead.next = mtime_add_ms(g->time.now, g->ahead.writing ? AHEAD_STEP_MS : AHEAD_LOOK_MS);
}

mtime_t gossip_ahead_deadline(const struct gossip *g)
{
	/* to look, a tick is not waited for: gossip_age.c has one a second */
	return g->ahead.writing && g->state == GOSSIP_RUNNING ? g->ahead.next : MTIME_NEVER;
}
