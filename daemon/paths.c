#include "daemon/paths.h"

#include <stdlib.h>

#include "wg/array.h"

/* WireGuard sends a keepalive at once where they are turned on, so they are turned off before. */
enum announcing { ANNOUNCED, ANNOUNCE_QUIET, ANNOUNCE_WAKE };

/* One empty transport message: it is sent unasked and never answered, so it asks for nothing. */
#define KEEPALIVE_SIZE 32

struct path {
	struct id node;
	uint8_t key[WG_KEY_SIZE];
	bool observed;		 /* WireGuard has shown this peer since it was configured */
	struct endpoint current; /* what WireGuard uses, or used when it was last seen */
	mtime_t set_at;		 /* when we gave it; 0: we did not */
	uint64_t rx_bytes, tx_bytes;
	wtime_t handshake;
	bool has_handshake;
	mtime_t handshake_at; /* the same on our clock */
	mtime_t proven_at;    /* of the last handshake at current, also of a process that has ended;
				 0: none */
	mtime_t tried_at;     /* the first byte sent without a session; 0: none */
	mtime_t silent_at;    /* the first byte sent since anything was heard; 0: none */

	bool reached;
	struct endpoint target;	 /* where gossip reaches it */
	struct endpoint offered; /* the target that had its try */
	struct ip claimed;	 /* current's address while the member said that it has it */
	bool moved;		 /* gossip or the member has left that address */
	mtime_t moved_at;	 /* of the first look after that; 0: not yet */

	mtime_t wake_at;    /* 0: not to be woken later */
	mtime_t wake_until; /* 0: not to be woken */
	enum announcing announcing;
	bool woken; /* as the last plan has it */

	bool pending; /* wanted is to be put in place of current */
	struct endpoint wanted;
};

struct path_table {
	struct path *items; /* sorted by node */
	size_t count, capacity;
};

struct paths {
	struct path_table table, next;
	size_t at;	/* in table, while next is made */
	size_t wakeful; /* paths in next that are to be woken */
};

enum verdict {
	KEEP,
	USE_TARGET,
	USE_NEXT,
};

int paths_new(struct paths **ret)
{
	struct paths *paths = calloc(1, sizeof(*paths));

	if (!paths)
		return ERR_NOMEM;
	*ret = paths;
	return 0;
}

void paths_free(struct paths *paths)
{
	if (!paths)
		return;
	free(paths->table.items);
	free(paths->next.items);
	free(paths);
}

static bool same_place(const struct endpoint *a, const struct endpoint *b)
{
	return ip_equal(&a->ip, &b->ip) && a->port == b->port;
}

static bool passed_ms(mtime_t since, mtime_t now, int64_t ms)
{
	return since.us && mtime_diff_ms(now, since) >= ms;
}

static bool to_be_woken(const struct path *path, mtime_t now)
{
	return path->wake_at.us && mtime_reached(now, path->wake_at);
}

static bool has_session(const struct path *path, mtime_t now)
{
	return path->has_handshake && !mtime_before(path->handshake_at, path->set_at) &&
	       mtime_diff_ms(now, path->handshake_at) < PATHS_SESSION_MS;
}

static enum verdict judge(const struct path *path, mtime_t now)
{
	bool untried = path->reached && !same_place(&path->target, &path->current) &&
		       !same_place(&path->target, &path->offered);
	bool elsewhere = untried && !ip_equal(&path->target.ip, &path->current.ip);

	if (!path->observed || path->pending)
		return KEEP;
	if (elsewhere && !has_session(path, now) &&
		(!path->proven_at.us || passed_ms(path->proven_at, now, PATHS_SESSION_MS)))
		return USE_TARGET;
	if (elsewhere && path->moved && passed_ms(path->moved_at, now, PATHS_MOVED_MS))
		return USE_TARGET;
	if (untried && passed_ms(path->silent_at, now, PATHS_SILENT_MS))
		return USE_TARGET;
	if (passed_ms(path->tried_at, now, PATHS_TRY_MS))
		return USE_NEXT;
	return KEEP;
}

/* ---- what WireGuard says ---- */

/* Counters that went back: the peer was configured anew, by us or behind our back. */
static void restart(struct path *path, mtime_t now)
{
	path->set_at = now;
	path->rx_bytes = path->tx_bytes = 0;
	path->handshake = (wtime_t){0};
	path->has_handshake = false;
	path->tried_at = path->silent_at = MTIME_ZERO;
}

static void first_look(struct path *path, const struct wg_peer *peer)
{
	path->observed = true;
	path->rx_bytes = peer->rx_bytes;
	path->tx_bytes = peer->tx_bytes;
}

static bool take_handshake(struct path *path, mtime_t now, wtime_t wall, const struct wg_peer *peer)
{
	int64_t age_ms = wall.ms - peer->last_handshake.ms;

	if (peer->last_handshake.ms == path->handshake.ms)
		return false;
	path->handshake = peer->last_handshake;
	path->has_handshake = peer->last_handshake.ms != 0;
	path->handshake_at = mtime_add_ms(now, age_ms > 0 ? -age_ms : 0);
	return true;
}

/* Returns whether the peer was heard from. */
static bool observe(struct path *path, mtime_t now, wtime_t wall, const struct wg_peer *peer)
{
	bool first = !path->observed, heard;
	uint64_t sent;

	if (first)
		first_look(path, peer);
	else if (peer->rx_bytes < path->rx_bytes || peer->tx_bytes < path->tx_bytes ||
		 peer->last_handshake.ms < path->handshake.ms)
		restart(path, now);
	heard = peer->rx_bytes > path->rx_bytes;
	if (take_handshake(path, now, wall, peer))
		heard |= !first;
	sent = peer->tx_bytes - path->tx_bytes;
	path->rx_bytes = peer->rx_bytes;
	path->tx_bytes = peer->tx_bytes;
	if (peer->endpoint.ip.family)
		path->current = peer->endpoint;

	if (heard)
		path->silent_at = MTIME_ZERO;
	else if (sent > KEEPALIVE_SIZE && !path->silent_at.us)
		path->silent_at = now;
	if (has_session(path, now)) {
		path->proven_at = path->handshake_at;
		path->tried_at = path->wake_at = path->wake_until = MTIME_ZERO;
	} else if (sent && !path->tried_at.us) {
		path->tried_at = now;
	}
	/* What came before this look may have come before the move. */
	if (path->moved && !path->moved_at.us)
		path->moved_at = now;
	else if (heard)
		path->moved = false;
	return heard;
}

void paths_observe(struct paths *paths, mtime_t now, wtime_t wall, const struct wg_device *have,
	paths_heard_cb heard, void *context)
{
	for (size_t i = 0; i < paths->table.count; i++) {
		struct path *path = &paths->table.items[i];
		const struct wg_peer *peer = wg_device_peer(have, path->key);

		if (!peer)
			path->observed = false;
		else if (observe(path, now, wall, peer) && heard)
			heard(context, &path->node);
	}
}

void paths_wake(struct paths *paths, mtime_t now)
{
	for (size_t i = 0; i < paths->table.count; i++)
		paths->table.items[i].wake_until = mtime_add_ms(now, PATHS_WAKE_MS);
}

void paths_announce(struct paths *paths, mtime_t now)
{
	for (size_t i = 0; i < paths->table.count; i++)
		if (has_session(&paths->table.items[i], now))
			paths->table.items[i].announcing = ANNOUNCE_QUIET;
}

bool paths_due(const struct paths *paths, mtime_t now)
{
	for (size_t i = 0; i < paths->table.count; i++) {
		const struct path *path = &paths->table.items[i];

		if (judge(path, now) != KEEP || to_be_woken(path, now) || path->announcing ||
			(path->woken && mtime_reached(now, path->wake_until)))
			return true;
	}
	return false;
}

static mtime_t look_deadline(const struct path *path)
{
	mtime_t deadline = path->wake_at.us ? path->wake_at : MTIME_NEVER;

	if (!path->observed || path->pending || !path->reached ||
		same_place(&path->target, &path->current) ||
		same_place(&path->target, &path->offered))
		return deadline;
	if (path->moved)
		deadline = mtime_min(
			deadline, path->moved_at.us ? mtime_add_ms(path->moved_at, PATHS_MOVED_MS)
						    : MTIME_ZERO);
	if (path->silent_at.us)
		deadline = mtime_min(deadline, mtime_add_ms(path->silent_at, PATHS_SILENT_MS));
	return deadline;
}

mtime_t paths_look_deadline(const struct paths *paths)
{
	mtime_t deadline = MTIME_NEVER;

	for (size_t i = 0; i < paths->table.count; i++)
		deadline = mtime_min(deadline, look_deadline(&paths->table.items[i]));
	return deadline;
}

/* ---- what the plan wants ---- */

void paths_begin(struct paths *paths)
{
	paths->next.count = 0;
	paths->at = paths->wakeful = 0;
}

/* The peer's path in the table that is being made: as it was, or new. */
static struct path *carry(struct paths *paths, mtime_t now, const struct paths_belief *belief)
{
	struct path_table *next = &paths->next;
	struct path *items =
		array_reserve(next->items, next->count + 1, sizeof(*items), &next->capacity);
	struct path *path;
	int order = 1;

	if (!items)
		return NULL;
	next->items = items;
	path = &items[next->count++];
	while (paths->at < paths->table.count &&
		(order = memcmp(&paths->table.items[paths->at].node, &belief->node,
			 sizeof(belief->node))) < 0)
		paths->at++;
	if (order == 0) {
		*path = paths->table.items[paths->at++];
		if (memcmp(path->key, belief->wireguard_public, WG_KEY_SIZE) == 0)
			return path;
		/* Another key is another peer; where it was is the best guess for where it is. */
		*path = (struct path){.current = path->current};
	} else {
		*path = (struct path){0};
	}
	if (belief->added)
		path->wake_at = mtime_add_ms(now, PATHS_ADDED_MS);
	path->node = belief->node;
	memcpy(path->key, belief->wireguard_public, WG_KEY_SIZE);
	return path;
}

static bool claims(const struct paths_belief *belief, const struct ip *ip)
{
	for (size_t i = 0; ip->family && i < belief->claim_count; i++)
		if (ip_equal(&belief->claims[i].ip, ip))
			return true;
	return false;
}

static void believe(struct path *path, const struct paths_belief *belief)
{
	bool claimed = claims(belief, &path->current.ip);
	bool left = path->claimed.family && ip_equal(&path->claimed, &path->current.ip) && !claimed;

	path->claimed = claimed ? path->current.ip : (struct ip){0};
	path->reached = belief->reached && belief->candidate_count;
	if (!path->reached)
		return;
	left |= path->target.ip.family && ip_equal(&path->target.ip, &path->current.ip);
	if (ip_equal(&belief->candidates[0].ip, &path->current.ip)) {
		path->moved = false;
	} else if (left) {
		path->moved = true;
		path->moved_at = MTIME_ZERO;
	}
	/* A belief that returns after another is a new one. */
	if (!same_place(&path->target, &belief->candidates[0]))
		path->offered = (struct endpoint){0};
	path->target = belief->candidates[0];
}

static void want(struct path *path, mtime_t now, const struct endpoint *endpoint)
{
	path->tried_at = path->silent_at = MTIME_ZERO;
	path->moved = false;
	if (path->reached && same_place(endpoint, &path->target))
		path->offered = *endpoint;
	if (same_place(endpoint, &path->current)) {
		path->tried_at = now; /* there is no other: it gets its time once more */
		return;
	}
	path->wanted = *endpoint;
	path->pending = true;
}

static void want_next(struct path *path, mtime_t now, const struct paths_belief *belief)
{
	size_t next = 0;

	if (!belief->candidate_count)
		return;
	if (path->reached && same_place(&path->target, &path->current))
		path->offered = path->target;
	for (size_t i = 0; i < belief->candidate_count; i++)
		if (same_place(&belief->candidates[i], &path->current))
			next = (i + 1) % belief->candidate_count;
	want(path, now, &belief->candidates[next]);
}

int paths_choose(struct paths *paths, mtime_t now, const struct paths_belief *belief,
	struct paths_choice *ret)
{
	struct path *path = carry(paths, now, belief);

	if (!path)
		return ERR_NOMEM;
	if (!path->current.ip.family && belief->candidate_count)
		path->current = belief->candidates[0]; /* WireGuard gets it, if it has none */
	believe(path, belief);
	switch (judge(path, now)) {
	case KEEP:
		break;
	case USE_TARGET:
		want(path, now, &path->target);
		break;
	case USE_NEXT:
		want_next(path, now, belief);
		break;
	}
	if (to_be_woken(path, now)) {
		path->wake_at = MTIME_ZERO;
		path->wake_until = mtime_add_ms(now, PATHS_WAKE_MS);
	}
	path->woken = path->announcing != ANNOUNCE_QUIET &&
		      (path->announcing || mtime_before(now, path->wake_until)) &&
		      paths->wakeful < PATHS_WAKE_MAX;
	paths->wakeful += path->woken;
	*ret = (struct paths_choice){.set = path->pending,
		.wake = path->woken,
		.quiet = path->announcing == ANNOUNCE_QUIET};
	path->announcing = path->announcing == ANNOUNCE_QUIET ? ANNOUNCE_WAKE : ANNOUNCED;
	if (path->pending)
		ret->endpoint = path->wanted;
	else
		ret->endpoint = path->current;
	return 0;
}

void paths_end(struct paths *paths)
{
	struct path_table done = paths->table;

	paths->table = paths->next;
	paths->next = done;
	paths->next.count = 0;
}

void paths_applied(struct paths *paths, mtime_t now)
{
	for (size_t i = 0; i < paths->table.count; i++) {
		struct path *path = &paths->table.items[i];

		if (!path->pending)
			continue;
		path->pending = false;
		path->current = path->wanted;
		path->set_at = now;
		path->claimed = (struct ip){0};
		path->proven_at = path->tried_at = path->silent_at = MTIME_ZERO;
	}
}

static int compare_node(const void *id, const void *path)
{
	return memcmp(id, &((const struct path *)path)->node, sizeof(struct id));
}

bool paths_up(const struct paths *paths, mtime_t now, const struct id *node)
{
	const struct path *path = paths->table.count
					  ? bsearch(node, paths->table.items, paths->table.count,
						    sizeof(*path), compare_node)
					  : NULL;

	return path && has_session(path, now);
}
