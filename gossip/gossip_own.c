/*
 * Whether another machine bears this node's identity: its disk was set back, restored from a
 * backup, or copied. An honest node is told these apart by two rules, of which neither asks a
 * clock:
 *
 *   who meets a record of its own that it did not know says its incarnation anew, one version up:
 *   so whoever wrote it, if it lives, hears of us;
 *
 *   who is told of a later incarnation of its own than it ever issued says a still later one, by
 *   its generation; if somebody answers that, it steps back.
 *
 * Versions tell an answer from what was said long ago: the lower half of one is drawn by chance,
 * at each start and each time that a later incarnation is answered; the upper half repeats the
 * lower one of what it answers. So no two starts say the same incarnation, and words that are
 * replayed answer nothing.
 *
 * After a set-back nobody answers, and the node goes on. Of two that both live, the one that was
 * started last goes on: it is the other that hears first, and is answered. But who
 * was restored from a backup on purpose says so in the upper bits of its generation
 * (GOSSIP_LIFE_SHIFT), and whoever hears of a later life than its own steps back at once, for good:
 * the old machine, should it come back. Whoever has stepped back says nothing more to anybody.
 */
#include "gossip/gossip_own.h"

#include <stdio.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_view.h"
#include "gossip/swim/statement.h"

#define TWICE_GAP_MS 60000 /* between two events that this node's key lives twice */

/* Later incarnations are answered by still later ones so often at once, and in the long run: each
 * is written to the disk, and a member that has kept old words may bring them one by one. */
#define RAISE_BURST  4
#define RAISE_GAP_MS 5000

/* The lower half of a version is drawn below that: versions go up one by one from there. */
#define CHANCE_BITS 31

#define RENEW_GAP_MS 10000 /* records that come back come in numbers */

static const char twice_text[] =
	"this node's identity lives on another machine too, which was started later (a copied "
	"disk?): this one has stepped back and says nothing more. `meshctl leave` here forgets the "
	"identity without a word to the mesh; or stop the other one for good, and restart meshd "
	"here";

static const char restored_text[] =
	"this node was restored from a backup on another machine, and goes on there: `meshctl "
	"leave` here forgets the identity without a word to the mesh";

bool gossip_own_has_yielded(const struct gossip *g)
{
	return g->own.yielded;
}

const char *gossip_own_yielded_why(const struct gossip *g)
{
	if (!g->own.yielded)
		return NULL;
	return g->own.superseded ? restored_text : twice_text;
}

int gossip_own_may_write(struct gossip *g)
{
	return g->own.yielded ? gossip_fail(g, ERR_STATE, "%s", gossip_own_yielded_why(g)) : 0;
}

/* ---- events ---- */

static void tell(struct gossip *g, enum gossip_event_kind kind, const char *cause)
{
	struct gossip_event event = gossip_view_event(g, kind, &g->config.identity->id);

	snprintf(event.cause, sizeof(event.cause), "%s", cause);
	gossip_effect_event(g, &event);
}

static void tell_twice(struct gossip *g)
{
	if (!mtime_reached(g->time.now, g->own.twice_next))
		return;
	g->own.twice_next = mtime_add_ms(g->time.now, TWICE_GAP_MS);
	tell(g, GOSSIP_EVENT_EQUIVOCATION,
		"this node's key is in use elsewhere too (a copied machine or state?)");
}

static void tell_restored(struct gossip *g)
{
	if (g->own.told)
		return;
	g->own.told = true;
	tell(g, GOSSIP_EVENT_RESTORED,
		"the mesh knew more of this node than its disk, which was set back or lost: it has "
		"taken over from there");
}

/* ---- records ---- */

/* Nobody takes a stamp further ahead than that of what was said before this start. Only what is
 * told depends on it. */
static bool is_after_start(const struct gossip *g, uint64_t stamp)
{
	int64_t start_ms = gossip_mesh_time(g).ms - mtime_diff_ms(g->time.now, g->own.started);

	return gossip_mesh_time_known(g) && hlc_stamp_ms(stamp) > start_ms + HLC_AHEAD_MAX_MS;
}

void gossip_own_record_met(struct gossip *g, const struct record *record)
{
	if (g->join.active)
		return; /* its own admission comes back along with the rest */
	g->own.met = true;
	if (is_after_start(g, record->stamp))
		g->own.met_late = true;
	if (record->type == RECORD_DESCRIPTOR)
		g->descriptor_dirty = true; /* where this node is now */
}

void gossip_own_turn(struct gossip *g)
{
	if (!g->own.met)
		return;
	g->own.met = false;
	if (mtime_reached(g->time.now, g->own.renew_next)) {
		g->own.renew_next = mtime_add_ms(g->time.now, RENEW_GAP_MS);
		swim_renew(g->swim, NULL);
	}
	if (g->own.met_late)
		tell_twice(g);
	else
		tell_restored(g);
	g->own.met_late = false;
}

/* ---- incarnations ---- */

static void yield(struct gossip *g, bool superseded)
{
	g->own.yielded = true;
	g->own.superseded = superseded;
	tell_twice(g);
	gossip_stream_close_all(g);
	if (superseded) {
		snprintf(g->revoked_why, sizeof(g->revoked_why), "%s", restored_text);
		gossip_set_state(g, GOSSIP_REVOKED);
	}
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

uint64_t gossip_own_first_version(struct gossip *g)
{
	return rng_below(&g->rng, UINT64_C(1) << CHANCE_BITS);
}

static uint32_t lower_half(uint64_t version)
{
	return (uint32_t)version;
}

/* Whether whoever said it has heard what this node has said since it answered last. */
static bool is_answer(const struct gossip *g, uint64_t version)
{
	uint32_t answered = (uint32_t)(version >> 32);

	return g->own.raises && answered >= g->own.chance &&
	       answered <= lower_half(swim_incarnation(g->swim).version);
}

static void raise(struct gossip *g, const struct swim_incarnation *other)
{
	struct gossip_effect *effect;

	if (!mtime_allows(&g->own.raise_rate, g->time.now, RAISE_GAP_MS, RAISE_BURST))
		return; /* it comes again, with the next ping of whoever knows it */
	effect = gossip_effect_add(g, EFFECT_PERSIST_GENERATION, NULL, 0);
	g->own.raised = (struct swim_incarnation){.generation = other->generation + 1,
		.version =
			(uint64_t)lower_half(other->version) << 32 | gossip_own_first_version(g)};
	g->own.raised_ticket = effect->ticket = g->awaited = ++g->ticket;
	effect->number = (int64_t)g->own.raised.generation;
}

void gossip_own_statement_met(struct gossip *g, const struct msg_item *item)
{
	uint64_t own = swim_incarnation(g->swim).generation, other;
	struct statement statement;

	if (g->own.yielded || statement_decode(item->bytes, item->size, &statement) != 0)
		return;
	other = statement.incarnation.generation;
	if (other >> GOSSIP_LIFE_SHIFT > own >> GOSSIP_LIFE_SHIFT)
		yield(g, true);
	else if (g->own.raised.generation)
		return; /* what answers it is on its way to disk */
	else if (is_answer(g, statement.incarnation.version) ||
		 (other + 1) >> GOSSIP_LIFE_SHIFT != own >> GOSSIP_LIFE_SHIFT)
		yield(g, false);
	else
		raise(g, &statement.incarnation);
}

void gossip_own_persisted(struct gossip *g)
{
	if (!g->own.raised.generation || g->own.raised_ticket > g->persisted)
		return;
	g->config.generation = g->own.raised.generation;
	g->own.chance = lower_half(g->own.raised.version);
	swim_renew(g->swim, &g->own.raised);
	g->own.raised = (struct swim_incarnation){0};
	if (g->own.raises++ == 0)
		tell_restored(g);
	else
		tell_twice(g);
}
