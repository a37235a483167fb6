#include "daemon/rotate.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/paths.h"
#include "daemon/recon.h"

#define LOOK_MS	    1000  /* between looks at who is waited for */
#define AGE_LOOK_MS 60000 /* and at the key's age */
#define RETRY_MS    60000 /* after the disk refused the key file */

/* After a start, until WireGuard was looked at and the keys shared with members are computed. */
#define SETTLE_MS	  5000
/* Members that are alive in gossip but have no session: they confirm within a round trip, or
 * something is wrong with them. And with force, those that are alive at all. */
#define ALIVE_PATIENCE_MS 15000
#define FORCE_PATIENCE_MS 2000
/* Then a person should know; and a week later one that is alive, and was for so long that it could
 * have confirmed over and over, has had its time. */
#define WARN_AFTER_MS	  (7 * DAY_MS)
#define ALIVE_MOST_MS	  (14 * DAY_MS)
#define ALIVE_LEAST_MS	  (3600 * INT64_C(1000))
#define DAY_MS		  (24 * 3600 * INT64_C(1000))

/* Nodes that were set up at once do not rotate at once: each key lives this much less, by itself.
 */
#define JITTER_SHARE 10 /* a divisor of rotate-every */

#define NAMES_SIZE  160
#define NAMES_SHOWN 4

struct rotate {
	struct daemon *daemon;
	uv_timer_t timer;
	bool stopped, forced;
	mtime_t began;		/* the next key was announced, or the daemon started with it */
	mtime_t settled, retry; /* not before */
};

/* A clock that was wrong when it was made, or is now, makes a key young. */
static int64_t age_ms(wtime_t made, wtime_t wall)
{
	return made.ms && wall.ms > made.ms ? wall.ms - made.ms : 0;
}

/* ---- who is waited for ---- */

static bool has_session(const struct daemon *daemon, const uint8_t key[WG_KEY_SIZE], wtime_t wall)
{
	const struct wg_peer *peer = recon_peer(daemon->recon, key);

	return peer && peer->last_handshake.ms &&
	       wall.ms - peer->last_handshake.ms < PATHS_SESSION_MS;
}

bool rotate_must_wait(const struct rotate_unconfirmed *member)
{
	if (member->alive &&
		member->waited_ms < (member->forced ? FORCE_PATIENCE_MS : ALIVE_PATIENCE_MS))
		return true;
	if (member->forced || !member->session)
		return false;
	/* whoever is suspected now and then was never alive for long */
	return !member->alive || member->announced_ms < ALIVE_MOST_MS ||
	       (member->alive_ms < ALIVE_LEAST_MS && member->announced_ms < 2 * ALIVE_MOST_MS);
}

static bool waits_for(
	const struct rotate *rotate, const struct gossip_member *member, struct gossip_time time)
{
	const struct daemon *daemon = rotate->daemon;
	struct rotate_unconfirmed unconfirmed = {.forced = rotate->forced,
		.announced_ms = age_ms(daemon->keys->next_made, time.wall),
		.waited_ms = mtime_diff_ms(time.now, rotate->began),
		.alive = member->state == GOSSIP_MEMBER_ALIVE,
		.alive_ms = age_ms(member->since, time.wall),
		.session =
			has_session(daemon, member->wireguard_public, time.wall) ||
			(member->has_next && has_session(daemon, member->next_public, time.wall))};

	return member->has_wireguard && !member->confirmed && rotate_must_wait(&unconfirmed);
}

bool rotate_next_waiting(const struct daemon *daemon, size_t *index, struct gossip_member *ret)
{
	struct gossip_time time = daemon_time((struct daemon *)daemon);

	while (daemon->keys->has_next && gossip_member_next(daemon->gossip, index, ret)) {
		gossip_member_wipe(ret);
		if (waits_for(daemon->rotate, ret, time))
			return true;
	}
	return false;
}

/* ---- the steps ---- */

static int make_next(struct daemon *daemon)
{
	struct keyfile *keys = daemon->keys;
	char error[KEYFILE_ERROR_SIZE];
	uint8_t seed[32];

	randombytes_buf(seed, sizeof(seed));
	keys_from_seed(seed, &keys->next);
	sodium_memzero(seed, sizeof(seed));
	keys->has_next = true;
	keys->next_made = daemon_time(daemon).wall;
	if (!keyfile_write(keys, daemon->options.state_dir, error))
		return 0;
	keys->has_next = false;
	keys_done(&keys->next);
	return daemon_refuse(daemon, ERR_SYSTEM, "%s", error);
}

int rotate_begin(struct daemon *daemon, bool force)
{
	struct rotate *rotate = daemon->rotate;
	struct gossip_status status;
	int err = 0;

	gossip_status(daemon->gossip, &status);
	if (status.yielded_why)
		return daemon_refuse(daemon, ERR_STATE, "%s", status.yielded_why);
	if (status.state != GOSSIP_RUNNING)
		return daemon_refuse(daemon, ERR_STATE,
			"this node is no member of a mesh: a key of its own is made when it joins");
	if (daemon->rotated)
		return 0; /* the last step is under way */
	if (!daemon->keys->has_next) {
		err = make_next(daemon);
		if (!err)
			rotate->began = daemon_time(daemon).now;
	} else if (force && !rotate->forced) {
		rotate->began = daemon_time(daemon).now;
	}
	rotate->forced |= force;
	if (err)
		return err;
	err = gossip_announce_key(daemon->gossip, daemon_time(daemon), &daemon->keys->next);
	if (err)
		return daemon_refuse(daemon, err, "%s", gossip_error(daemon->gossip));
	daemon_wake(daemon);
	return 0;
}

bool rotate_under_way(const struct daemon *daemon)
{
	return daemon->keys->has_next || daemon->rotated;
}

/* The key file goes first: from here on every start is one with the new key. */
static int promote(struct rotate *rotate)
{
	struct keyfile *keys = rotate->daemon->keys;
	char error[KEYFILE_ERROR_SIZE];
	struct keys *before = sodium_malloc(sizeof(*before));
	wtime_t made = keys->wireguard_made;

	if (!before)
		return ERR_NOMEM;
	*before = keys->wireguard;
	keys->wireguard = keys->next;
	keys->wireguard_made = keys->next_made;
	keys->has_next = false;
	if (keyfile_write(keys, rotate->daemon->options.state_dir, error)) {
		keys->wireguard = *before;
		keys->wireguard_made = made;
		keys->has_next = true;
		sodium_free(before);
		daemon_warn(rotate->daemon, DAEMON_WARNING_ROTATE,
			"the next WireGuard key cannot be taken into use: %s; it is tried again",
			error);
		return ERR_SYSTEM;
	}
	keys_done(&keys->next);
	rotate->daemon->rotated = before;
	return 0;
}

static void switch_key(struct rotate *rotate)
{
	struct daemon *daemon = rotate->daemon;

	if (promote(rotate)) {
		rotate->retry = mtime_add_ms(daemon_time(daemon).now, RETRY_MS);
		return;
	}
	rotate->forced = false;
	daemon_warn_clear(daemon, DAEMON_WARNING_ROTATE);
	if (gossip_switch_key(daemon->gossip, daemon_time(daemon)))
		log_error("%s", gossip_error(daemon->gossip));
	daemon_wake(daemon);
}

void rotate_switched(struct daemon *daemon)
{
	sodium_free(daemon->rotated);
	daemon->rotated = NULL;
	recon_rekey(daemon->recon);
	daemon_wake(daemon);
}

/* ---- when ---- */

static int64_t lifetime_ms(const struct daemon *daemon)
{
	const uint8_t *chance = daemon->keys->wireguard.id.b;
	int64_t every_ms = daemon->config.rotate_every_ms;

	return every_ms - every_ms / JITTER_SHARE * (chance[0] << 8 | chance[1]) / (UINT16_MAX + 1);
}

static bool is_due(const struct daemon *daemon, wtime_t wall)
{
	return daemon->config.rotate_every_ms &&
	       age_ms(daemon->keys->wireguard_made, wall) >= lifetime_ms(daemon);
}

static size_t name_waiting(const struct daemon *daemon, char names[NAMES_SIZE])
{
	struct gossip_member member;
	size_t count = 0, used = 0;

	names[0] = '\0';
	for (size_t index = 0; rotate_next_waiting(daemon, &index, &member); count++)
		if (count < NAMES_SHOWN && used < NAMES_SIZE - 1)
			used += (size_t)snprintf(names + used, NAMES_SIZE - used, "%s%s",
				count ? ", " : "", member.standing->name);
	if (count > NAMES_SHOWN && used < NAMES_SIZE - 1)
		snprintf(names + used, NAMES_SIZE - used, " and %zu more", count - NAMES_SHOWN);
	return count;
}

static void go_on(struct rotate *rotate, struct gossip_time time)
{
	struct daemon *daemon = rotate->daemon;
	struct recon_status overlay;
	char names[NAMES_SIZE];

	recon_status(daemon->recon, &overlay);
	if (!mtime_reached(time.now, rotate->retry) ||
		(!rotate->forced &&
			(!overlay.tunnels || !mtime_reached(time.now, rotate->settled))))
		return;
	if (name_waiting(daemon, names) == 0) {
		switch_key(rotate);
		return;
	}
	if (age_ms(daemon->keys->next_made, time.wall) >= WARN_AFTER_MS)
		daemon_warn(daemon, DAEMON_WARNING_ROTATE,
			"the next WireGuard key has waited for 7 days for %s: their tunnels would "
			"break, as their meshd has not taken it; see to it there, or `meshctl "
			"rotate --force`",
			names);
}

/* A rotation ends with the membership that it was for. */
static void forget(struct rotate *rotate)
{
	sodium_free(rotate->daemon->rotated);
	rotate->daemon->rotated = NULL;
	rotate->forced = false;
	daemon_warn_clear(rotate->daemon, DAEMON_WARNING_ROTATE);
}

static void look(struct rotate *rotate)
{
	struct daemon *daemon = rotate->daemon;
	struct gossip_time time = daemon_time(daemon);
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	if (status.state != GOSSIP_RUNNING) {
		forget(rotate);
		return;
	}
	if (daemon->rotated)
		return;
	if (daemon->keys->has_next) {
		go_on(rotate, time);
	} else if (is_due(daemon, time.wall)) {
		log_info("the WireGuard key is %lld hours old: it is replaced",
			(long long)age_ms(daemon->keys->wireguard_made, time.wall) / 3600000);
		if (rotate_begin(daemon, false))
			log_warn("%s", daemon_error(daemon));
	}
}

static void look_on(uv_timer_t *timer)
{
	struct rotate *rotate = timer->data;

	look(rotate);
	uv_timer_start(timer, look_on, rotate->daemon->keys->has_next ? LOOK_MS : AGE_LOOK_MS, 0);
}

/* ---- the part ---- */

static void note_age(struct daemon *daemon)
{
	char error[KEYFILE_ERROR_SIZE];

	if (daemon->keys->wireguard_made.ms)
		return;
	/* of a key file from before ages were kept */
	daemon->keys->wireguard_made = daemon_time(daemon).wall;
	if (keyfile_write(daemon->keys, daemon->options.state_dir, error))
		log_warn("%s", error);
}

static int start(struct daemon *daemon)
{
	struct rotate *rotate = calloc(1, sizeof(*rotate));

	if (!rotate)
		return ERR_NOMEM;
	daemon->rotate = rotate;
	rotate->daemon = daemon;
	rotate->began = daemon_time(daemon).now;
	rotate->settled = mtime_add_ms(rotate->began, SETTLE_MS);
	note_age(daemon);
	(void)uv_timer_init(&daemon->loop, &rotate->timer);
	rotate->timer.data = rotate;
	(void)uv_timer_start(&rotate->timer, look_on, LOOK_MS, 0);
	return 0;
}

static void changed(struct daemon *daemon)
{
	struct rotate *rotate = daemon->rotate;

	look(rotate);
	if (daemon->keys->has_next)
		(void)uv_timer_start(&rotate->timer, look_on, LOOK_MS, 0);
}

static void stop(struct daemon *daemon)
{
	struct rotate *rotate = daemon->rotate;

	if (!rotate || rotate->stopped)
		return;
	rotate->stopped = true;
	uv_close((uv_handle_t *)&rotate->timer, NULL);
}

static void rotate_free(struct daemon *daemon)
{
	if (!daemon->rotate)
		return;
	sodium_free(daemon->rotated);
	daemon->rotated = NULL;
	free(daemon->rotate);
	daemon->rotate = NULL;
}

const struct daemon_part rotate_part = {
	.name = "key rotation",
	.start = start,
	.changed = changed,
	.stop = stop,
	.free = rotate_free,
};
