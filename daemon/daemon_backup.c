#include "daemon/daemon_backup.h"

#include <sodium.h>
#include <stdlib.h>

#include "daemon/addresses.h"
#include "daemon/attach.h"
#include "daemon/core.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/loop.h"

/* Whoever waits is told, once. */
static void finish(struct daemon *daemon, int err, const char *text)
{
	struct daemon_request request = daemon->restoring;

	daemon->restoring = (struct daemon_request){0};
	if (request.done)
		request.done(request.arg, err, text);
}

static int add_attachments(struct backup *backup, const struct daemon *daemon)
{
	const struct attach *attach;
	int err = 0;

	for (size_t i = 0; !err && (attach = attach_at(daemon, i)); i++) {
		struct backup_attachment attachment;

		strcpy(attachment.segment, attach->segment);
		attach_words(attach, attachment.addresses, attachment.ports);
		err = backup_add_attachment(backup, &attachment);
	}
	return err;
}

int daemon_may_backup(struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	return status.state == GOSSIP_RUNNING && daemon->keys->has_mesh && !status.yielded_why
		       ? 0
		       : daemon_refuse(daemon, ERR_STATE,
				 "this node is %s: there is nothing that a backup would bring back",
				 status.yielded_why ? "not the only one that bears its identity"
						    : gossip_state_label(status.state));
}

int daemon_backup(struct daemon *daemon, struct backup *ret)
{
	struct backup backup = {.made = daemon_time(daemon).wall};
	struct record *record = NULL;
	struct gossip_member member;
	struct gossip_status status;
	size_t index = 0;
	int err = daemon_may_backup(daemon);

	if (err)
		return err;
	gossip_status(daemon->gossip, &status);
	backup.keys = sodium_malloc(sizeof(*backup.keys));
	if (!backup.keys)
		return daemon_refuse(daemon, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	*backup.keys = *daemon->keys;
	backup.generation = status.generation;
	while (!err && (record = gossip_record_after(daemon->gossip, record)))
		err = backup_add_record(&backup, record);
	while (!err && gossip_member_next(daemon->gossip, &index, &member)) {
		const struct backup_place place = {member.standing->id, member.reached};

		sodium_memzero(member.preshared, sizeof(member.preshared));
		if (member.reached.ip.family)
			err = backup_add_place(&backup, &place);
	}
	if (!err)
		err = add_attachments(&backup, daemon);
	if (err) {
		backup_done(&backup);
		return daemon_refuse(daemon, err, "%s", err_text(err));
	}
	*ret = backup;
	return 0;
}

int daemon_may_restore(struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	if (status.state == GOSSIP_UNJOINED && !daemon->joining.active && !daemon->restored)
		return 0;
	return daemon_refuse(daemon, ERR_STATE,
		"a node is restored where there is none, and this one is %s: `meshctl leave` "
		"first, "
		"or run another instance",
		daemon->restored ? "being restored already" : gossip_state_label(status.state));
}

/* Of the identity that this node had before, and still has. */
static void undo_restore(struct daemon *daemon)
{
	uint64_t generation = core_next_generation(daemon, 0, 0);

	state_reset(daemon->state, &daemon->keys->identity.id);
	if (state_put_generation(daemon->state, 0, generation))
		log_warn("%s", err_text(ERR_NOMEM)); /* the next start takes the time */
	state_renumber(daemon->state);
}

static void forget_restored(struct daemon *daemon)
{
	backup_done(daemon->restored);
	free(daemon->restored);
	daemon->restored = NULL;
}

/* The database is the restored node's. The key file is what decides whose node this is: until it is
 * written, the next start would set that database aside as somebody else's. */
static void restore_stored(void *arg, int err, const char *text)
{
	struct daemon *daemon = arg;
	char error[KEYFILE_ERROR_SIZE] = "";

	if (!err && keyfile_write(daemon->restored->keys, daemon->options.state_dir, error))
		err = ERR_SYSTEM;
	if (err) {
		undo_restore(daemon);
		forget_restored(daemon);
		finish(daemon, err, *error ? error : text);
		return;
	}
	*daemon->keys = *daemon->restored->keys;
	state_renumber(daemon->state);
	err = core_restore(daemon, daemon->restored);
	forget_restored(daemon);
	if (err) {
		log_error("the node is restored, and cannot go on: start it again");
		finish(daemon, ERR_SYSTEM, "it is restored, but has to be started again");
		daemon_stop(daemon, 1);
		return;
	}
	loop_core_replaced(daemon);
	addresses_look(daemon->addresses);
	log_info("this node is the one that was restored");
	loop_plan_now(daemon);
	finish(daemon, 0, "");
}

static int queue_restored(struct daemon *daemon, const struct backup *backup, uint64_t ticket)
{
	int err = state_put_mesh(daemon->state, ticket, &backup->keys->mesh);

	if (!err)
		err = state_put_generation(daemon->state, ticket, backup->generation);
	for (size_t i = 0; !err && i < backup->place_count; i++)
		err = state_put_endpoint(daemon->state, ticket, &backup->places[i].node,
			&backup->places[i].endpoint);
	for (size_t i = 0; !err && i < backup->attachment_count; i++)
		err = state_put_attachment(daemon->state, ticket, backup->attachments[i].segment,
			backup->attachments[i].addresses, backup->attachments[i].ports);
	for (size_t i = 0; !err && i < backup->record_count; i++) {
		const struct record *record = backup->records[i];

		err = state_put_record(
			daemon->state, ticket, &record->hash, record->bytes, record->size, 0);
	}
	return err;
}

int daemon_restore(struct daemon *daemon, struct backup *backup, daemon_done_cb done, void *arg)
{
	uint64_t ticket = loop_last_ticket(daemon) + 1;
	int err = daemon_may_restore(daemon);

	if (err)
		return err;
	daemon->restored = malloc(sizeof(*backup));
	if (!daemon->restored)
		return daemon_refuse(daemon, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	*daemon->restored = *backup;
	*backup = (struct backup){0};
	backup = daemon->restored;
	/* Another life: the machine that was backed up knows of it, should it come back. */
	backup->keys->life = (unsigned)(backup->generation >> GOSSIP_LIFE_SHIFT) + 1;
	backup->generation = core_next_generation(daemon, backup->keys->life, backup->generation);
	state_reset(daemon->state, &backup->keys->identity.id);
	err = queue_restored(daemon, backup, ticket);
	if (!err)
		err = loop_wait(daemon, ticket, NULL, restore_stored, daemon);
	if (err) {
		undo_restore(daemon);
		forget_restored(daemon);
		return daemon_refuse(daemon, err, "%s", err_text(err));
	}
	daemon->restoring = (struct daemon_request){true, done, arg};
	return 0;
}
