#include "tests/meshsim/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/record/record.h"

/* ---- samples ---- */

void samples_add(struct samples *samples, int64_t us)
{
	if (samples->count == samples->capacity) {
		samples->capacity = samples->capacity ? samples->capacity * 2 : 64;
		samples->us = realloc(samples->us, samples->capacity * sizeof(*samples->us));
		assert(samples->us);
	}
	samples->us[samples->count++] = us;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

double samples_quantile(struct samples *samples, double q)
{
	size_t at = (size_t)(q * (double)(samples->count - 1) + 0.5);

	if (!samples->count)
		return 0;
	qsort(samples->us, samples->count, sizeof(*samples->us), compare);
	return (double)samples->us[at] / 1000;
}

/* ---- views ---- */

static uint8_t *view(const struct metrics *m, int observer, int subject)
{
	return &m->views[(size_t)observer * (size_t)m->nodes + (size_t)subject];
}

bool metrics_all_alive(const struct metrics *m)
{
	for (int i = 0; i < m->nodes; i++) {
		for (int j = 0; j < m->nodes && cluster_is_up(m->cluster, i); j++) {
			if (i != j && cluster_is_up(m->cluster, j) &&
				*view(m, i, j) != GOSSIP_MEMBER_ALIVE)
				return false;
		}
	}
	return true;
}

/* ---- crashes ---- */

static int64_t since_us(const struct metrics *m, mtime_t at)
{
	return mtime_diff_us(cluster_time(m->cluster).now, at);
}

static struct crash *crash_of(struct metrics *m, int node)
{
	for (size_t i = 0; i < METRICS_CRASHES_MAX; i++) {
		if (m->crashes[i].active && m->crashes[i].node == node)
			return &m->crashes[i];
	}
	return NULL;
}

static void end_if_known(struct metrics *m, struct crash *crash)
{
	if (crash->unaware)
		return;
	crash->active = false;
	if (m->measuring)
		samples_add(&m->detect_all, since_us(m, crash->at));
}

static void reached(struct metrics *m, struct spread_watch *spread, int node, bool counts)
{
	if (!spread->active || !spread->missing[node])
		return;
	spread->missing[node] = false;
	if (--spread->missing_count)
		return;
	spread->active = false;
	if (m->measuring && counts)
		samples_add(&m->spread, since_us(m, spread->at));
}

/* One observer less: whoever waited for its word alone is done. */
static void observer_gone(struct metrics *m, int node)
{
	for (size_t i = 0; i < METRICS_SPREADS_MAX; i++)
		reached(m, &m->spreads[i], node, false);
	for (size_t i = 0; i < METRICS_CRASHES_MAX; i++) {
		struct crash *crash = &m->crashes[i];

		if (!crash->active || *view(m, node, crash->node) == GOSSIP_MEMBER_DEAD)
			continue;
		crash->unaware--;
		end_if_known(m, crash);
	}
}

void metrics_crashed(struct metrics *m, int node)
{
	struct crash *crash = &m->crashes[m->next_crash++ % METRICS_CRASHES_MAX];

	observer_gone(m, node);
	m->missed += crash->active;
	*crash = (struct crash){.active = true, .node = node, .at = cluster_time(m->cluster).now};
	for (int i = 0; i < m->nodes; i++)
		crash->unaware += i != node && cluster_is_up(m->cluster, i) &&
				  *view(m, i, node) != GOSSIP_MEMBER_DEAD;
}

void metrics_started(struct metrics *m, int node)
{
	struct crash *crash = crash_of(m, node);

	if (crash) {
		crash->active = false;
		m->missed++;
	}
	for (int j = 0; j < m->nodes; j++) {
		*view(m, node, j) = GOSSIP_MEMBER_ALIVE;
		crash = j == node ? NULL : crash_of(m, j);
		if (crash)
			crash->unaware++;
	}
}

static void found_dead(struct metrics *m, struct crash *crash)
{
	if (!crash->first_seen && m->measuring)
		samples_add(&m->detect_first, since_us(m, crash->at));
	crash->first_seen = true;
	crash->unaware--;
	end_if_known(m, crash);
}

static void count_false_positive(struct metrics *m, int observer, int subject)
{
	struct false_positives *fp = &m->false_positives;
	bool healthy = !m->anomalous[subject], at_healthy = !m->anomalous[observer];

	fp->any++;
	fp->healthy += healthy;
	fp->any_at_healthy += at_healthy;
	fp->healthy_at_healthy += healthy && at_healthy;
	fp->paper_any += !m->afflicted[subject];
	fp->paper_healthy += !m->afflicted[subject] && !m->afflicted[observer];
}

static void state_seen(struct metrics *m, int observer, const struct gossip_event *event)
{
	int subject = cluster_node_of(m->cluster, &event->node);
	enum gossip_member_state to = GOSSIP_MEMBER_ALIVE;
	struct crash *crash;
	uint8_t *now;

	if (subject < 0 || subject >= m->nodes)
		return;
	if (strcmp(event->to, "dead") == 0)
		to = GOSSIP_MEMBER_DEAD;
	else if (strcmp(event->to, "suspect") == 0)
		to = GOSSIP_MEMBER_SUSPECT;
	now = view(m, observer, subject);
	crash = crash_of(m, subject);
	if (crash && to == GOSSIP_MEMBER_DEAD && *now != GOSSIP_MEMBER_DEAD)
		found_dead(m, crash);
	else if (crash && to != GOSSIP_MEMBER_DEAD && *now == GOSSIP_MEMBER_DEAD)
		crash->unaware++;
	*now = (uint8_t)to;
	if (!m->measuring || !cluster_is_up(m->cluster, subject))
		return;
	if (to == GOSSIP_MEMBER_DEAD)
		count_false_positive(m, observer, subject);
	m->suspicions += to == GOSSIP_MEMBER_SUSPECT;
}

/* ---- records ---- */

static void watch_if_own(struct metrics *m, int node, const struct gossip_effect *effect)
{
	struct id mesh = cluster_root_keys(m->cluster, 0)->id, id = cluster_id(m->cluster, node);
	struct spread_watch *spread;
	struct record *record;
	bool own;

	if (record_decode(&mesh, effect->bytes, effect->size, &record) != 0)
		return;
	own = id_equal(&record->author, &id);
	record_unref(record);
	if (!own)
		return;
	m->speaker = -1;
	spread = &m->spreads[m->next_spread++ % METRICS_SPREADS_MAX];
	free(spread->missing);
	*spread = (struct spread_watch){.active = true,
		.hash = effect->hash,
		.origin = node,
		.at = cluster_time(m->cluster).now,
		.missing = calloc((size_t)m->nodes, sizeof(bool))};
	assert(spread->missing);
	for (int i = 0; i < m->nodes; i++) {
		spread->missing[i] = i != node && cluster_is_up(m->cluster, i);
		spread->missing_count += spread->missing[i];
	}
}

static void record_seen(struct metrics *m, int node, const struct gossip_effect *effect)
{
	if (node == m->speaker)
		watch_if_own(m, node, effect);
	for (size_t i = 0; i < METRICS_SPREADS_MAX; i++) {
		if (hash_equal(&m->spreads[i].hash, &effect->hash))
			reached(m, &m->spreads[i], node, true);
	}
}

void metrics_watch_record(struct metrics *m, int node)
{
	m->speaker = node;
}

static void observe(void *arg, int node, const struct gossip_effect *effect)
{
	struct metrics *m = arg;

	if (node >= m->nodes)
		return;
	if (effect->kind == EFFECT_PERSIST_RECORD)
		record_seen(m, node, effect);
	else if (effect->kind == EFFECT_EVENT && effect->event->kind == GOSSIP_EVENT_MEMBER_STATE)
		state_seen(m, node, effect->event);
}

/* ---- life ---- */

void metrics_init(struct metrics *m, struct cluster *cluster, int nodes)
{
	*m = (struct metrics){.cluster = cluster, .nodes = nodes, .speaker = -1};
	m->views = calloc((size_t)nodes, (size_t)nodes);
	m->afflicted = calloc((size_t)nodes, sizeof(*m->afflicted));
	m->anomalous = calloc((size_t)nodes, sizeof(*m->anomalous));
	assert(m->views && m->afflicted && m->anomalous);
	cluster_observe(cluster, observe, m);
}

void metrics_done(struct metrics *m)
{
	free(m->views);
	free(m->afflicted);
	free(m->anomalous);
	free(m->converge.us);
	free(m->detect_first.us);
	free(m->detect_all.us);
	free(m->spread.us);
	for (size_t i = 0; i < METRICS_SPREADS_MAX; i++)
		free(m->spreads[i].missing);
}

void metrics_begin(struct metrics *m)
{
	m->measuring = true;
	m->before = *cluster_counts(m->cluster);
	m->began = m->idle_until = cluster_time(m->cluster).now;
}

void metrics_idle_over(struct metrics *m)
{
	m->idle = *cluster_counts(m->cluster);
	m->idle_until = cluster_time(m->cluster).now;
}

void metrics_end(struct metrics *m)
{
	m->measuring = false;
	m->ended = cluster_time(m->cluster).now;
	for (size_t i = 0; i < METRICS_CRASHES_MAX; i++)
		m->missed += m->crashes[i].active;
}
