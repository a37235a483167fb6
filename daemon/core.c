#include "daemon/core.h"

#include <sodium.h>
#include <stdio.h>

#include "daemon/attach.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/sockaddr.h"

#define MTU_FIRST 1420 /* until the plan knows the underlay's: 1500 less WireGuard over IPv6 */

static int make(struct daemon *daemon, const struct id *mesh, uint64_t generation)
{
	bool data_plane = daemon->config.backend != CONFIG_BACKEND_NONE;
	struct gossip_config config = {
		.identity = &daemon->keys->identity,
		/* Without a data plane the key is told all the same; the port of 0 says it. */
		.wireguard = &daemon->keys->wireguard,
		.wireguard_next = daemon->keys->has_next ? &daemon->keys->next : NULL,
		.root = daemon->keys->has_root ? &daemon->keys->root : NULL,
		.root_exported = daemon->keys->root_exported,
		.mesh = mesh,
		.generation = generation,
		.version = MESHD_VERSION,
		.wireguard_port = data_plane ? daemon->config.wireguard_port : 0,
		.mtu = daemon->config.mtu ? daemon->config.mtu : MTU_FIRST,
		.allow_loopback = sockaddr_is_loopback(&daemon->config.listen),
	};
	int err;

	randombytes_buf(config.seed, sizeof(config.seed));
	err = state_set_signer(daemon->state, &daemon->keys->identity);
	if (!err)
		err = gossip_new(&config, daemon_time(daemon), &daemon->gossip);
	if (err)
		log_error("the core cannot start: %s", err_text(err));
	return err;
}

uint64_t core_next_generation(struct daemon *daemon, unsigned life, uint64_t last)
{
	const uint64_t seconds_mask = (UINT64_C(1) << GOSSIP_LIFE_SHIFT) - 1;
	uint64_t seconds = (uint64_t)(daemon_time(daemon).wall.ms / 1000) & seconds_mask;
	uint64_t lives = last >> GOSSIP_LIFE_SHIFT > life ? last >> GOSSIP_LIFE_SHIFT : life;

	last &= seconds_mask;
	return lives << GOSSIP_LIFE_SHIFT | (seconds > last ? seconds : last + 1);
}

struct restore {
	struct gossip *gossip;
	size_t records, refused;
};

static void restore_record(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number)
{
	struct restore *restore = arg;

	(void)hash;
	if (gossip_restore_record(restore->gossip, bytes, size, number))
		restore->refused++;
	else
		restore->records++;
}

static void restore_endpoint(void *arg, const struct id *node, const struct endpoint *endpoint)
{
	struct restore *restore = arg;

	gossip_restore_endpoint(restore->gossip, node, endpoint);
}

static void restore_segments(struct daemon *daemon)
{
	const struct attach *attach;

	for (size_t i = 0; (attach = attach_at(daemon, i)); i++) {
		if (gossip_restore_segment(daemon->gossip, attach->segment))
			log_warn("%s: %s: %s", STATE_NAME, attach->segment,
				gossip_error(daemon->gossip));
	}
}

static int restore(struct daemon *daemon)
{
	struct restore restore = {.gossip = daemon->gossip};
	int err = state_each_record(daemon->state, restore_record, &restore);

	if (!err)
		err = state_each_endpoint(daemon->state, restore_endpoint, &restore);
	restore_segments(daemon);
	for (unsigned name = 0; name < GOSSIP_NUMBERS && !err; name++) {
		uint64_t number;

		err = state_get_number(daemon->state, gossip_number_label(name), &number);
		if (!err)
			gossip_restore_number(daemon->gossip, name, number);
	}
	if (err) {
		log_error("%s/%s: cannot be read: %s", daemon->options.state_dir, STATE_NAME,
			err_text(err));
		return ERR_SYSTEM;
	}
	if (restore.refused)
		log_warn("%zu of %zu stored records are not understood and passed over",
			restore.refused, restore.refused + restore.records);
	return 0;
}

static void tell_of_damage(struct daemon *daemon, const struct state_info *info)
{
	daemon_warn(daemon, DAEMON_WARNING_DAMAGED,
		"the database was damaged or another node's and is now %s; %zu of its records were "
		"taken over, the rest comes from other members; remove it when it is not wanted",
		info->set_aside, info->salvaged);
}

/* The key file says it, too, so that a node whose database is lost still knows where it belongs. It
 * is written after the database when a mesh is joined, and before it when one is left. */
static int settle_mesh(struct daemon *daemon, struct state_info *info)
{
	const struct keyfile *keys = daemon->keys;

	if (!keys->has_mesh || (info->has_mesh && id_equal(&info->mesh, &keys->mesh)))
		return 0;
	if (!info->set_aside[0])
		daemon_warn(daemon, DAEMON_WARNING_DAMAGED,
			"the database was lost: what was in it comes from other members when one "
			"of them reaches this node; if none does, `meshctl leave --force`, and "
			"join anew");
	info->has_mesh = true;
	info->mesh = keys->mesh;
	return state_put_mesh(daemon->state, 0, &info->mesh);
}

/* What a crash in the midst of an `init` or a `join` left: a mesh that the key file does not know
 * yet, a root key of a mesh that never came to be. The latter stays in the file until that is
 * written again: a root key is not thrown away on a guess. */
static void settle_keys(struct daemon *daemon, const struct state_info *info)
{
	struct keyfile *keys = daemon->keys;
	char error[KEYFILE_ERROR_SIZE];

	if (keys->has_root && !(info->has_mesh && id_equal(&keys->root.id, &info->mesh))) {
		keys->has_root = false;
		keys_done(&keys->root);
	}
	if (!info->has_mesh || keys->has_mesh)
		return;
	keys->has_mesh = true;
	keys->mesh = info->mesh;
	if (keyfile_write(keys, daemon->options.state_dir, error))
		log_warn("%s", error);
}

int core_open(struct daemon *daemon)
{
	char error[STATE_ERROR_SIZE];
	struct state_info info;
	uint64_t generation;
	int err = state_open(daemon->options.state_dir, &daemon->keys->identity.id,
		daemon_time(daemon).wall, &daemon->state, &info, error);

	if (err) {
		log_error("%s", error);
		return ERR_SYSTEM;
	}
	if (info.set_aside[0])
		tell_of_damage(daemon, &info);
	if (settle_mesh(daemon, &info))
		return ERR_SYSTEM;
	settle_keys(daemon, &info);
	/* what a join had brought when a crash broke it off is of no mesh that this node is in */
	if (!info.has_mesh)
		state_reset(daemon->state, &daemon->keys->identity.id);
	generation = core_next_generation(daemon, daemon->keys->life, info.generation);
	if (attach_load(daemon) || make(daemon, info.has_mesh ? &info.mesh : NULL, generation) ||
		(info.has_mesh && restore(daemon)))
		return ERR_SYSTEM;
	err = state_put_generation(daemon->state, 0, generation);
	if (!err && state_flush(daemon->state, error))
		daemon_warn(daemon, DAEMON_WARNING_STATE,
			"%s: nothing new is kept until it can be written; it is tried again",
			error);
	if (!err)
		err = gossip_start(daemon->gossip, daemon_time(daemon));
	if (err)
		log_error("the core cannot start: %s", err_text(err));
	return err ? ERR_SYSTEM : 0;
}

int core_renew(struct daemon *daemon)
{
	char error[KEYFILE_ERROR_SIZE];
	uint64_t generation;

	gossip_free(daemon->gossip);
	daemon->gossip = NULL;
	keyfile_fresh(daemon->keys);
	if (keyfile_write(daemon->keys, daemon->options.state_dir, error)) {
		log_error("the identity that left cannot be replaced: %s", error);
		return ERR_SYSTEM;
	}
	/* The database of another identity would be set aside at the next start, should we get no
	 * further than this. */
	state_reset(daemon->state, &daemon->keys->identity.id);
	daemon_warn_clear(daemon, DAEMON_WARNING_DAMAGED);
	generation = core_next_generation(daemon, 0, 0);
	if (state_put_generation(daemon->state, 0, generation) || make(daemon, NULL, generation) ||
		gossip_start(daemon->gossip, daemon_time(daemon)))
		return ERR_SYSTEM;
	return 0;
}

int core_restore(struct daemon *daemon, const struct backup *backup)
{
	struct restore restore;
	const struct record *record;

	gossip_free(daemon->gossip);
	daemon->gossip = NULL;
	if (make(daemon, &backup->keys->mesh, backup->generation))
		return ERR_SYSTEM;
	restore = (struct restore){.gossip = daemon->gossip};
	for (size_t i = 0; i < backup->record_count; i++) {
		record = backup->records[i];
		restore_record(&restore, &record->hash, record->bytes, record->size, 0);
	}
	for (size_t i = 0; i < backup->place_count; i++)
		restore_endpoint(&restore, &backup->places[i].node, &backup->places[i].endpoint);
	for (size_t i = 0; i < backup->attachment_count; i++)
		attach_take(daemon, backup->attachments[i].segment,
			backup->attachments[i].addresses, backup->attachments[i].ports);
	restore_segments(daemon);
	if (restore.refused)
		log_warn("%zu of %zu restored records are not understood and passed over",
			restore.refused, backup->record_count);
	return gossip_start(daemon->gossip, daemon_time(daemon)) ? ERR_SYSTEM : 0;
}
