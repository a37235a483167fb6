#include "daemon/daemon_mesh.h"

#include <sodium.h>

#include "daemon/addresses.h"
#include "daemon/core.h"
#include "daemon/discover.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/overlap.h"
#include "gossip/trust/address.h"

/* Of the 64 IPv4 prefixes that a mesh may get by itself a host has few, or all by one route. */
#define ROOT_TRIES 32

/* Passes on what the core says. */
static int refuse_by_core(struct daemon *daemon, int err)
{
	const char *text = gossip_error(daemon->gossip);

	return daemon_refuse(daemon, err, "%s", text && *text ? text : err_text(err));
}

/* The one who waits is told, once. */
static void finish(struct daemon_request *request, int err, const char *text)
{
	struct daemon_request done = *request;

	*request = (struct daemon_request){0};
	if (done.done)
		done.done(done.arg, err, text);
}

int daemon_after_ticket(struct daemon *daemon, uint64_t ticket, daemon_ticket_cb done, void *arg)
{
	return loop_wait(daemon, ticket, done, NULL, arg);
}

void daemon_forget(struct daemon *daemon, const void *arg)
{
	loop_forget(daemon, arg);
	if (daemon->joining.arg == arg)
		daemon->joining.done = NULL;
	if (daemon->leaving.arg == arg)
		daemon->leaving.done = NULL;
	if (daemon->restoring.arg == arg)
		daemon->restoring.done = NULL;
}

/* ---- init ---- */

static void forget_root(struct daemon *daemon)
{
	char error[KEYFILE_ERROR_SIZE];

	daemon->keys->has_root = false;
	keys_done(&daemon->keys->root);
	if (keyfile_write(daemon->keys, daemon->options.state_dir, error))
		log_warn("%s", error); /* a root of no mesh: the next init replaces it */
}

/* The mesh's id, beside the keys: what the node belongs to should the database be lost. */
static void note_mesh(void *arg, int err)
{
	struct daemon *daemon = arg;
	char error[KEYFILE_ERROR_SIZE];
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	if (err || !status.has_mesh)
		return;
	daemon->keys->has_mesh = true;
	daemon->keys->mesh = status.mesh;
	if (keyfile_write(daemon->keys, daemon->options.state_dir, error))
		log_warn("%s", error);
}

static int check_prefix(struct daemon *daemon, struct nl *nl, const struct prefix *prefix)
{
	char text[OVERLAP_TEXT_SIZE], own[TEXT_PREFIX_SIZE];

	if (!overlap_find(nl, daemon->config.interface, prefix, text))
		return 0;
	return daemon_refuse(daemon, ERR_STATE,
		"the mesh's prefix %s would take traffic from this host's route %s: choose another "
		"with --prefix%d",
		text_prefix(prefix, own), text, prefix->ip.family);
}

/* Those that the mesh will have: asked for, or by its id. */
static int check_prefixes(struct daemon *daemon, const struct daemon_init *init)
{
	struct prefix prefix4, prefix6;
	struct nl *nl;
	int err;

	if (daemon->config.backend == CONFIG_BACKEND_NONE || nl_new(&nl) != 0)
		return 0;
	address_default_prefixes(&daemon->keys->root.id, &prefix4, &prefix6);
	err = check_prefix(daemon, nl, init->prefix4.ip.family ? &init->prefix4 : &prefix4);
	if (!err)
		err = check_prefix(daemon, nl, init->prefix6.ip.family ? &init->prefix6 : &prefix6);
	nl_free(nl);
	return err;
}

static void draw_root(struct keys *ret)
{
	uint8_t seed[32];

	randombytes_buf(seed, sizeof(seed));
	keys_from_seed(seed, ret);
	sodium_memzero(seed, sizeof(seed));
}

/* A mesh's prefixes, where none are asked for, follow from its root key: so it is one whose
 * prefixes this host has no other use for. It is on disk before anything is signed with it. */
static int make_root(struct daemon *daemon, const struct daemon_init *init)
{
	struct keyfile *keys = daemon->keys;
	char error[KEYFILE_ERROR_SIZE];
	int err = 0, tries = init->prefix4.ip.family ? 1 : ROOT_TRIES;

	do {
		draw_root(&keys->root);
		err = check_prefixes(daemon, init);
	} while (err && --tries);
	if (err) {
		keys_done(&keys->root);
		return err;
	}
	keys->has_root = true;
	keys->root_exported = false;
	if (keyfile_write(keys, daemon->options.state_dir, error)) {
		keys->has_root = false;
		keys_done(&keys->root);
		return daemon_refuse(daemon, ERR_SYSTEM, "%s", error);
	}
	return 0;
}

int daemon_init_mesh(
	struct daemon *daemon, const struct daemon_init *init, daemon_done_cb done, void *arg)
{
	char name[CONFIG_NAME_SIZE];
	struct gossip_found found = {
		.root = &daemon->keys->root,
		.mesh_name = init->mesh_name,
		.node_name =
			init->node_name ? init->node_name : config_node_name(&daemon->config, name),
		.prefix4 = init->prefix4,
		.prefix6 = init->prefix6,
	};
	struct gossip_status status;
	uint64_t ticket;
	int err;

	gossip_status(daemon->gossip, &status);
	if (status.state != GOSSIP_UNJOINED || daemon->restored)
		return daemon_refuse(daemon, ERR_STATE,
			"this node belongs to a mesh already: `meshctl leave` it first, or run "
			"another "
			"instance");
	if (!*found.node_name)
		return daemon_refuse(daemon, ERR_INVALID,
			"the host's name makes no node name: give one with --name");
	err = make_root(daemon, init);
	if (err)
		return err;
	err = gossip_found(daemon->gossip, daemon_time(daemon), &found, &ticket);
	if (err) {
		refuse_by_core(daemon, err);
		forget_root(daemon);
		return err;
	}
	err = loop_wait(daemon, ticket, note_mesh, NULL, daemon);
	if (!err)
		err = loop_wait(daemon, ticket, NULL, done, arg);
	return err ? daemon_refuse(daemon, err, "%s", err_text(err)) : 0;
}

/* ---- join ---- */

int daemon_join_mesh(struct daemon *daemon, const char *token, const char *node_name,
	int64_t timeout_ms, daemon_done_cb done, void *arg)
{
	char buf[CONFIG_NAME_SIZE];
	const char *name = node_name ? node_name : config_node_name(&daemon->config, buf);
	int err;

	if (daemon->joining.active || daemon->restored)
		return daemon_refuse(
			daemon, ERR_STATE, "this node is joining already: wait for that to end");
	err = gossip_join(daemon->gossip, daemon_time(daemon), token, *name ? name : NULL,
		timeout_ms, discover_looks(daemon->discover));
	if (err)
		return refuse_by_core(daemon, err);
	daemon->joining = (struct daemon_request){true, done, arg};
	return 0;
}

static void join_stored(void *arg, int err, const char *text)
{
	struct daemon *daemon = arg;

	finish(&daemon->joining, err, text);
	daemon_trim();
}

void daemon_mesh_joined(struct daemon *daemon, int err, const char *text)
{
	uint64_t ticket = loop_last_ticket(daemon);

	if (err) {
		log_warn("joining failed: %s", text ? text : err_text(err));
		finish(&daemon->joining, err, text ? text : err_text(err));
		return;
	}
	/* daemon stands for its own requests, which nobody forgets. */
	if (loop_wait(daemon, ticket, note_mesh, NULL, daemon) ||
		loop_wait(daemon, ticket, NULL, join_stored, daemon))
		finish(&daemon->joining, ERR_NOMEM, err_text(ERR_NOMEM));
}

/* ---- leave ---- */

static void leave_stored(void *arg, int err, const char *text)
{
	struct daemon *daemon = arg;

	if (err)
		finish(&daemon->leaving, err, text);
}

int daemon_leave(struct daemon *daemon, bool force, daemon_done_cb done, void *arg)
{
	uint64_t ticket;
	int err;

	if (daemon->leaving.active)
		return daemon_refuse(daemon, ERR_STATE, "this node is leaving already");
	err = gossip_leave(daemon->gossip, daemon_time(daemon), force, &ticket);
	if (err)
		return refuse_by_core(daemon, err);
	/* Told when the mesh knows, EFFECT_LEFT, or now when the disk refuses. */
	daemon->leaving = (struct daemon_request){true, done, arg};
	err = loop_wait(daemon, ticket, NULL, leave_stored, daemon);
	if (err)
		daemon->leaving = (struct daemon_request){0};
	return err ? daemon_refuse(daemon, err, "%s", err_text(err)) : 0;
}

void daemon_mesh_left(struct daemon *daemon)
{
	transport_drop_streams(daemon->transport);
	if (core_renew(daemon)) {
		log_error("the node has left, and cannot go on: start it again");
		/* Before the end closes the connection of whoever waits. */
		finish(&daemon->leaving, ERR_SYSTEM,
			"the mesh was left, but the old identity could not be replaced: see the "
			"log");
		daemon_stop(daemon, 1);
		return;
	}
	loop_core_replaced(daemon);
	addresses_look(daemon->addresses);
	log_info("this node has left its mesh and has a new identity");
	loop_plan_now(daemon);
	finish(&daemon->leaving, 0, "");
}
