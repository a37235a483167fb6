#include "tests/meshsim/invariants_watch.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/crypto/channel.h"
#include "gossip/crypto/seal.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_stream.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/state.h"
#include "tests/meshsim/invariants_watch_value.h"

/* An own record on its way to the disk. */
struct pending {
	struct pending *next;
	uint64_t ticket;
	struct hash hash;
};

struct watched {
	uint64_t generation; /* 0: not started yet */
	uint64_t counters[GOSSIP_COUNTERS];
	int64_t mesh_ahead_ms; /* of its wall clock, after the last input */
	struct pending *pending;
	bool revoked[INVARIANTS_NODES_MAX];
	struct value_reader reader;
	struct accusers {
		size_t count;
		struct id ids[MEMBER_ACCUSERS_MAX];
	} accusers[INVARIANTS_NODES_MAX];
};

struct watch {
	struct cluster *cluster;
	struct invariants *checker;
	struct watched nodes[INVARIANTS_NODES_MAX];
};

/* The root speaks through the node that holds it; a copy of a node, for itself. */
static int author_of(
	const struct watch *watch, int node, const struct gossip *g, const struct id *id)
{
	if (id_equal(id, &g->config.identity->id))
		return node;
	return id_equal(id, &g->mesh) ? 0 : cluster_node_of(watch->cluster, id);
}

/* ---- records ---- */

static struct invariants_record describe(
	const struct watch *watch, int node, const struct gossip *g, const struct record *record)
{
	struct invariants_record ret = {.hash = record->hash,
		.author = author_of(watch, node, g, &record->author),
		.type = record->type,
		.stamp = record->stamp};
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(ret.slot));
	if (record->type != RECORD_EQUIVOCATION) /* whoever proves it */
		crypto_generichash_update(&state, record->author.b, sizeof(record->author));
	crypto_generichash_update(&state, (const uint8_t *)&record->type, sizeof(record->type));
	crypto_generichash_update(&state, record->key, record->key_size);
	crypto_generichash_final(&state, ret.slot.b, sizeof(ret.slot));
	return ret;
}

static struct record *decode(const struct gossip *g, const uint8_t *bytes, size_t size)
{
	struct record *record;
	int err = record_decode(&g->mesh, bytes, size, &record);

	assert(err == 0);
	(void)err;
	return record;
}

/* One input may bring records and another median of the peers' clocks: whichever was later. */
static int64_t latest_mesh_ms(const struct watched *watched, const struct gossip *g)
{
	int64_t before_ms = g->time.wall.ms + watched->mesh_ahead_ms;
	int64_t now_ms = gossip_mesh_time(g).ms;

	return now_ms > before_ms ? now_ms : before_ms;
}

static void record_kept(struct watch *watch, int node, const struct gossip_effect *effect)
{
	struct gossip *g = cluster_core(watch->cluster, node);
	struct watched *watched = &watch->nodes[node];
	struct record *record = decode(g, effect->bytes, effect->size);
	struct invariants_record what = describe(watch, node, g, record);

	invariants_kept(watch->checker, node, &what, latest_mesh_ms(watched, g));
	invariants_news(watch->checker, node, effect->size);
	if (what.author == node) {
		struct pending *pending = calloc(1, sizeof(*pending));

		assert(pending);
		*pending = (struct pending){watched->pending, effect->ticket, record->hash};
		watched->pending = pending;
	}
	record_unref(record);
}

static void records_written(struct watch *watch, int node, uint64_t persisted)
{
	for (struct pending **at = &watch->nodes[node].pending; *at;) {
		struct pending *pending = *at;

		if (pending->ticket > persisted) {
			at = &pending->next;
			continue;
		}
		invariants_written(watch->checker, &pending->hash);
		*at = pending->next;
		free(pending);
	}
}

/* What the revoked had said goes, also where the revocation falls later; and what an expelled admin
 * had signed, but for what the root named to be kept. */
static bool counts(const struct watch *watch, const struct gossip *g, const struct hash *hash)
{
	const struct invariants_record *known = invariants_find(watch->checker, hash);
	struct record record = {.hash = *hash};

	if (!known || known->author < 0)
		return true;
	record.author = cluster_id(watch->cluster, known->author);
	if (!authority_concerns(known->type))
		return !store_banned(g->store, &record.author);
	return !authority_is_expelled(g->authority, &record.author) ||
	       authority_stands(g->authority, &record);
}

static bool is_taken_back(const struct watch *watch, const struct hash *hash)
{
	const struct invariants_record *known = invariants_find(watch->checker, hash);

	return known && !authority_concerns(known->type) &&
	       hlc_stamp_ms(known->stamp) > cluster_time(watch->cluster).wall.ms + GOSSIP_AHEAD_MS;
}

/* ---- datagrams ---- */

static const struct peer *receiver_of(const struct gossip *g, const uint8_t *packet)
{
	const struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (peer->keyed && memcmp(peer->pair.send_tag, packet, SEAL_TAG_SIZE) == 0)
			return peer;
	}
	return NULL;
}

static void datagram_sent(struct watch *watch, int node, const struct gossip_effect *effect)
{
	const struct gossip *g = cluster_core(watch->cluster, node);
	const struct peer *peer = receiver_of(g, effect->bytes);
	struct invariants_sent sent = {.to = effect->endpoint, .size = effect->size};
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	size_t count = peer ? gossip_peer_candidates(g, peer, candidates) : 0;

	sent.proven = peer && peer->has_session && endpoint_equal(&peer->reached, &sent.to);
	for (size_t i = 0; i < count; i++)
		sent.candidate |= endpoint_equal(&candidates[i], &sent.to);
	invariants_sent(watch->checker, node, &sent);
}

/* Whether the input was a datagram that authenticated: only to those is there an answer. */
static void note_input(struct watch *watch, int node, const struct gossip *g)
{
	struct watched *watched = &watch->nodes[node];
	const uint64_t *now = gossip_counters(g);
	uint64_t *was = watched->counters;
	bool refused = now[GOSSIP_COUNT_UNKNOWN_TAG] != was[GOSSIP_COUNT_UNKNOWN_TAG] ||
		       now[GOSSIP_COUNT_NOT_AUTHENTIC] != was[GOSSIP_COUNT_NOT_AUTHENTIC] ||
		       now[GOSSIP_COUNT_MALFORMED] != was[GOSSIP_COUNT_MALFORMED];

	if (now[GOSSIP_COUNT_PACKETS_IN] == was[GOSSIP_COUNT_PACKETS_IN])
		return;
	if (!refused)
		invariants_came(watch->checker, node, &g->reply.to, g->reply.most);
	memcpy(was, now, sizeof(watched->counters));
}

/* ---- lives ---- */

struct start {
	struct watch *watch;
	int node;
};

static void on_disk(void *arg, const uint8_t *bytes, size_t size)
{
	const struct start *start = arg;
	const struct gossip *g = cluster_core(start->watch->cluster, start->node);
	struct record *record = decode(g, bytes, size);
	struct invariants_record what = describe(start->watch, start->node, g, record);

	invariants_on_disk(start->watch->checker, start->node, &what);
	if (what.author == start->node)
		invariants_written(start->watch->checker, &record->hash);
	record_unref(record);
}

static void drop_pending(struct watched *watched)
{
	while (watched->pending) {
		struct pending *next = watched->pending->next;

		free(watched->pending);
		watched->pending = next;
	}
}

void watch_disk_lost(struct watch *watch, int node)
{
	memset(watch->nodes[node].revoked, 0, sizeof(watch->nodes[node].revoked));
	watch->nodes[node].reader = (struct value_reader){.cursor = 0};
	invariants_disk_lost(watch->checker, node);
}

/* A core that was not seen before: what is on its disk is written, whether it was told so or not.
 */
static void note_start(struct watch *watch, int node, const struct gossip *g)
{
	struct watched *watched = &watch->nodes[node];
	struct start start = {watch, node};

	if (watched->generation == g->config.generation)
		return;
	drop_pending(watched);
	watched->generation = g->config.generation;
	memset(watched->counters, 0, sizeof(watched->counters));
	watched->mesh_ahead_ms = 0;
	memset(watched->accusers, 0, sizeof(watched->accusers));
	invariants_started(watch->checker, node);
	if (g->store)
		cluster_records(watch->cluster, node, on_disk, &start);
	else /* of a join that was broken off */
		watch_disk_lost(watch, node);
}

/* ---- members ---- */

/* Whether what accused it when it was last looked at still does. */
static bool was_accused(const struct gossip *g, const struct accusers *accusers)
{
	for (size_t i = 0; i < accusers->count; i++) {
		if (id_equal(&accusers->ids[i], &g->config.identity->id) ||
			member_find(g->swim, &accusers->ids[i]))
			return true;
	}
	return false;
}

static void note_accusers(struct accusers *accusers, const struct member *member)
{
	accusers->count = member ? member->accusation_count : 0;
	for (size_t i = 0; i < accusers->count; i++)
		accusers->ids[i] = member->accusations[i].accuser;
}

/* Whether somebody whose word counts has said so: of one whom the root has made an admin since,
 * nobody's but the root's does (PROTOCOL.md, section 6). */
static bool is_revoked_by_right(const struct gossip *g, const struct id *id)
{
	bool is_admin = authority_is_admin(g->authority, id);

	for (const struct record *r = store_after(g->store, NULL); r;
		r = store_after(g->store, r)) {
		if (r->type == RECORD_REVOCATION && r->key_size >= sizeof(*id) &&
			memcmp(r->key, id, sizeof(*id)) == 0 && authority_stands(g->authority, r) &&
			(!is_admin || id_equal(&r->author, &g->mesh)))
			return true;
	}
	return false;
}

/* Between the store's change and the view's; with an admission that is void for now; or with a
 * revocation that counts no more (it has fallen with the admin who signed it, or the root has made
 * an admin of its subject): nothing is known of it any more. */
static bool is_forgotten(struct watch *watch, int node, int subject, const struct gossip *g,
	const struct authority_member *standing)
{
	bool *revoked = &watch->nodes[node].revoked[subject];
	bool was_revoked = *revoked;

	if (!standing || standing->standing == AUTHORITY_VOID)
		return true;
	*revoked = standing->standing == AUTHORITY_REVOKED;
	return was_revoked && !*revoked && !is_revoked_by_right(g, &standing->id);
}

static void look_at_peer(
	struct watch *watch, int node, const struct gossip *g, const struct peer *peer)
{
	const struct authority_member *standing = authority_member(g->authority, &peer->id);
	const struct member *member = member_find(g->swim, &peer->id);
	int subject = cluster_node_of(watch->cluster, &peer->id);
	struct accusers *accusers = subject < 0 ? NULL : &watch->nodes[node].accusers[subject];
	struct invariants_member now = {.state = peer->state};

	if (!accusers)
		return;
	now.was_accused = was_accused(g, accusers);
	note_accusers(accusers, member);
	if (is_forgotten(watch, node, subject, g, standing)) {
		invariants_forgotten(watch->checker, node, subject);
		if (!peer->member)
			return;
	}
	if (member)
		now.incarnation = member->incarnation;
	if (standing && standing->standing == AUTHORITY_REVOKED)
		invariants_revoked(watch->checker, node, subject);
	invariants_member(watch->checker, node, subject, &now);
}

static void look_at_self(struct watch *watch, int node, struct gossip *g)
{
	struct invariants_member now = {.incarnation = swim_incarnation(g->swim)};
	int subject = cluster_node_of(watch->cluster, &g->config.identity->id);
	struct gossip_member self;

	invariants_issued(watch->checker, subject, now.incarnation);
	if (g->state != GOSSIP_RUNNING || !gossip_member(g, &g->config.identity->id, &self))
		return;
	now.state = self.state;
	invariants_member(watch->checker, node, node, &now);
}

static void member_changed(struct watch *watch, int node, const struct gossip_event *event)
{
	enum swim_state from = SWIM_ALIVE, to = SWIM_ALIVE;
	const struct gossip *g = cluster_core(watch->cluster, node);
	int subject = id_equal(&event->node, &g->config.identity->id)
			      ? node
			      : cluster_node_of(watch->cluster, &event->node);

	for (int state = SWIM_ALIVE; state <= SWIM_DEAD; state++) {
		if (strcmp(event->from, swim_state_label((enum swim_state)state)) == 0)
			from = (enum swim_state)state;
		if (strcmp(event->to, swim_state_label((enum swim_state)state)) == 0)
			to = (enum swim_state)state;
	}
	if (subject >= 0)
		invariants_changed(watch->checker, node, subject, from, to);
}

/* ---- sizes ---- */

static void look_at_sizes(struct watch *watch, int node, const struct gossip *g)
{
	struct invariants *checker = watch->checker;
	size_t own = 0;

	invariants_size(checker, node, "streams", g->stream_count, GOSSIP_STREAMS_MAX);
	invariants_size(checker, node, "news", spread_count(g->spread), SPREAD_ITEMS_MAX);
	invariants_size(checker, node, "peers", g->peers.count,
		(size_t)cluster_count(watch->cluster) + AUTHORITY_OVERSPENT_MAX);
	for (const struct own_record *r = g->own_first; r; r = r->next)
		own++;
	invariants_size(checker, node, "own records on their way to the disk", own, 64);
	for (const struct stream *s = g->streams; s; s = s->next)
		invariants_size(checker, node, "bytes on one stream", s->queued,
			GOSSIP_STREAM_QUEUE_MAX + 2 * CHANNEL_MESSAGE_MAX);
}

/* ---- all of it ---- */

static void input_done(void *arg, int node)
{
	struct watch *watch = arg;
	struct gossip *g = cluster_core(watch->cluster, node);
	const struct peer *peer;

	invariants_now(watch->checker, cluster_time(watch->cluster).now.us / 1000);
	note_start(watch, node, g);
	note_input(watch, node, g);
	invariants_came_nothing(watch->checker, node);
	if (!g->store) { /* also after a join that failed: the next begins anew */
		invariants_started(watch->checker, node);
		return;
	}
	records_written(watch, node, g->persisted);
	look_at_self(watch, node, g);
	map_each (&g->peers, at, peer)
		look_at_peer(watch, node, g, peer);
	look_at_sizes(watch, node, g);
	if (g->state != GOSSIP_JOINING)
		watch_values(watch->checker, node, g, cluster_time(watch->cluster).wall,
			&watch->nodes[node].reader);
	watch->nodes[node].mesh_ahead_ms = gossip_mesh_time(g).ms - g->time.wall.ms;
}

static void took_effect(void *arg, int node, const struct gossip_effect *effect)
{
	struct watch *watch = arg;
	struct gossip *g = cluster_core(watch->cluster, node);

	invariants_now(watch->checker, cluster_time(watch->cluster).now.us / 1000);
	note_start(watch, node, g);
	note_input(watch, node, g);
	if (effect->kind == EFFECT_SEND)
		datagram_sent(watch, node, effect);
	else if (effect->kind == EFFECT_PERSIST_RECORD)
		record_kept(watch, node, effect);
	else if (effect->kind == EFFECT_PERSIST_REMOVE && !g->store)
		watch_disk_lost(watch, node); /* a join failed, and all that it brought goes */
	else if (effect->kind == EFFECT_PERSIST_REMOVE && is_taken_back(watch, &effect->hash))
		invariants_taken_back(watch->checker, node, &effect->hash);
	else if (effect->kind == EFFECT_PERSIST_REMOVE)
		invariants_removed(
			watch->checker, node, &effect->hash, counts(watch, g, &effect->hash));
	else if (effect->kind == EFFECT_EVENT && effect->event->kind == GOSSIP_EVENT_MEMBER_STATE)
		member_changed(watch, node, effect->event);
}

struct watch *watch_new(struct cluster *cluster, struct invariants *checker)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	assert(watch);
	watch->cluster = cluster;
	watch->checker = checker;
	cluster_observe(cluster, took_effect, watch);
	cluster_inspect(cluster, input_done, watch);
	return watch;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	for (int i = 0; i < INVARIANTS_NODES_MAX; i++)
		drop_pending(&watch->nodes[i]);
	free(watch);
}

/* ---- the end ---- */

static void hash_records(const struct gossip *g, uint8_t ret[32])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, 32);
	for (const struct record *r = store_after(g->store, NULL); r; r = store_after(g->store, r))
		crypto_generichash_update(&state, r->hash.b, sizeof(r->hash));
	crypto_generichash_final(&state, ret, 32);
}

/* In no order: one over all, by exclusive or. */
static void hash_hosts(const struct gossip *g, uint32_t vni, uint8_t ret[32])
{
	struct gossip_mac mac;
	size_t at = 0;

	memset(ret, 0, 32);
	while (gossip_mac_next(g, vni, &at, &mac)) {
		uint8_t one[32], bytes[6 + 32 + 4 + 1] = {0};

		memcpy(bytes, mac.mac, 6);
		memcpy(bytes + 6, &mac.holder, 32);
		memcpy(bytes + 38, &mac.sequence, 4);
		bytes[42] = mac.frozen;
		crypto_generichash(one, sizeof(one), bytes, sizeof(bytes), NULL, 0);
		for (size_t i = 0; i < sizeof(one); i++)
			ret[i] ^= one[i];
	}
}

/* Which segments are in force, how many are attached, and where the hosts are. */
static void hash_segments(const struct gossip *g, crypto_generichash_state *state)
{
	struct gossip_segment segment;
	uint8_t hosts[32];
	size_t at = 0;

	while (gossip_segment_next(g, &at, &segment)) {
		const uint32_t numbers[3] = {segment.vni, (uint32_t)segment.members, segment.clash};

		hash_hosts(g, segment.vni, hosts);
		crypto_generichash_update(
			state, (const uint8_t *)segment.name, sizeof(segment.name));
		crypto_generichash_update(state, (const uint8_t *)numbers, sizeof(numbers));
		crypto_generichash_update(state, hosts, sizeof(hosts));
	}
}

/* All that a member is to the others: its standing, its name, its addresses and keys. */
static void hash_view(const struct gossip *g, uint8_t ret[32])
{
	const struct authority_member *member;
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, 32);
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		bool self = id_equal(&member->id, &g->config.identity->id);
		const struct peer *peer = gossip_peer(g, &member->id);
		const struct ip *ip = self ? &g->address4 : peer ? &peer->address4 : NULL;
		uint8_t bits[2] = {(uint8_t)member->standing, member->admin};

		crypto_generichash_update(&state, member->id.b, sizeof(member->id));
		crypto_generichash_update(&state, bits, sizeof(bits));
		crypto_generichash_update(
			&state, (const uint8_t *)member->name, strlen(member->name) + 1);
		if (ip && member->standing == AUTHORITY_MEMBER)
			crypto_generichash_update(&state, ip->b, sizeof(ip->b));
	}
	hash_segments(g, &state);
	crypto_generichash_final(&state, ret, 32);
}

void watch_end(struct watch *watch)
{
	struct invariants_end ends[INVARIANTS_NODES_MAX];
	size_t count = 0;

	for (int i = 0; i < cluster_count(watch->cluster); i++) {
		struct gossip *g = cluster_core(watch->cluster, i);

		if (!g || g->state != GOSSIP_RUNNING)
			continue;
		ends[count].node = i;
		hash_records(g, ends[count].records);
		hash_view(g, ends[count].view);
		watch_values_end(watch->checker, i, g, cluster_time(watch->cluster).wall,
			&watch->nodes[i].reader, ends[count].values);
		count++;
	}
	invariants_calm(watch->checker, ends, count);
}
