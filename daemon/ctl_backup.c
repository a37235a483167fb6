#include "daemon/ctl_backup.h"

#include <sodium.h>
#include <stdlib.h>

#include "daemon/ctl_belong.h"
#include "daemon/ctl_put.h"
#include "daemon/ctl_root.h"
#include "daemon/ctl_verb.h"
#include "daemon/daemon_backup.h"

/* Between a node's state and the boxes of a file: held by the connection. In guarded memory, as a
 * piece of it may be the keys. */
struct transfer {
	struct backup backup;
	struct backup_stream stream;
	struct sealed sealed;
	uint8_t key[SEALED_KEY_SIZE], head[SEALED_HEAD_SIZE];
	uint8_t plain[SEALED_PLAIN_MAX];
	bool begun;
	uint64_t size; /* bytes of the file so far, without its head */
};

static void transfer_free(void *held)
{
	struct transfer *transfer = held;

	backup_done(&transfer->backup);
	backup_stream_done(&transfer->stream);
	sodium_free(transfer);
}

/* The connection's, from now on. NULL: refused. */
static struct transfer *transfer_new(struct ctl_client *client, const struct ipc_request *request)
{
	struct transfer *transfer;
	const uint8_t *key, *head;

	if (!ctl_root_sealed_args(client, request, SEALED_BACKUP, &key, &head))
		return NULL;
	transfer = sodium_malloc(sizeof(*transfer));
	if (!transfer) {
		ctl_client_refuse(client, ERR_NOMEM, 1, "%s", err_text(ERR_NOMEM));
		return NULL;
	}
	sodium_memzero(transfer, sizeof(*transfer));
	memcpy(transfer->key, key, sizeof(transfer->key));
	memcpy(transfer->head, head, sizeof(transfer->head));
	if (backup_stream_init(&transfer->stream, SEALED_PLAIN_MAX) != 0) {
		transfer_free(transfer);
		ctl_client_refuse(client, ERR_NOMEM, 1, "%s", err_text(ERR_NOMEM));
		return NULL;
	}
	ctl_client_hold(client, transfer, transfer_free);
	return transfer;
}

/* ---- out ---- */

static void put_result(struct pack *out, const struct transfer *transfer)
{
	size_t frame = ipc_reply_begin_ok(out);

	pack_put_map(out, 2);
	ctl_put_number(out, "records", transfer->backup.record_count);
	ctl_put_number(out, "bytes", SEALED_HEAD_SIZE + transfer->size);
	ipc_frame_end(out, frame);
}

static void put_box(struct pack *out, struct transfer *transfer)
{
	uint8_t bytes[SEALED_BEGIN_SIZE + SEALED_BOX_MAX];
	size_t frame = ipc_reply_begin_item(out), size = 0, plain;

	if (!transfer->begun) {
		sealed_begin(&transfer->sealed, transfer->key, transfer->head, bytes);
		size = SEALED_BEGIN_SIZE;
		transfer->begun = true;
	}
	plain = backup_write(&transfer->stream, &transfer->backup, transfer->plain);
	size += sealed_put(&transfer->sealed, transfer->plain, plain, bytes + size);
	transfer->size += size;
	pack_put_bin(out, bytes, size);
	ipc_frame_end(out, frame);
}

/* A box at a time: sealing one takes less than a millisecond. */
static enum ctl_stream fill(struct ctl_client *client, struct pack *out)
{
	struct transfer *transfer = client->held;

	if (!transfer->sealed.ended) {
		put_box(out, transfer);
		return CTL_STREAM_MORE;
	}
	put_result(out, transfer);
	return CTL_STREAM_END;
}

void ctl_backup_run(struct ctl_client *client, const struct ipc_request *request)
{
	struct transfer *transfer;
	int err;

	if (ctl_root_asks_first(request)) {
		ctl_root_answer_first(client, daemon_may_backup(client->daemon));
		return;
	}
	transfer = transfer_new(client, request);
	if (!transfer)
		return;
	err = daemon_backup(client->daemon, &transfer->backup);
	if (err)
		ctl_verb_refuse_daemon(client, err);
	else
		ctl_client_stream(client, fill);
}

/* ---- in ---- */

static void answer(struct ctl_client *client)
{
	const struct transfer *transfer = client->held;
	struct pack *out = ctl_client_begin_ok(client);

	pack_put_map(out, 1);
	ctl_put_number(out, "records", transfer->backup.record_count);
	ctl_client_end_ok(client);
}

void ctl_backup_restore(struct ctl_client *client, const struct ipc_request *request)
{
	int err = daemon_may_restore(client->daemon);

	if (err || ctl_root_asks_first(request))
		ctl_root_answer_first(client, err);
	else if (transfer_new(client, request))
		answer(client);
}

static const char *why(int err)
{
	switch (err) {
	case ERR_AUTH:
		return "it does not open: another passphrase, or the file is cut off or changed";
	case ERR_VERSION:
		return "a newer version of meshd made it";
	case ERR_MALFORMED:
		return "what is in it is no backup that this version understands";
	default:
		return err_text(err);
	}
}

/* The header of the stream comes first, alone, then a box at a time. */
static int take(struct transfer *transfer, const struct ipc_value *part)
{
	size_t size;
	int err;

	if (!transfer->begun) {
		transfer->begun = true;
		return sealed_open(
			&transfer->sealed, transfer->key, transfer->head, part->bytes, part->count);
	}
	err = sealed_get(&transfer->sealed, part->bytes, part->count, transfer->plain, &size);
	if (!err)
		err = backup_read(&transfer->stream, &transfer->backup, transfer->plain, size);
	if (!err && transfer->sealed.ended && !backup_is_whole(&transfer->stream))
		err = ERR_MALFORMED;
	return err;
}

void ctl_backup_part(struct ctl_client *client, const struct ipc_request *request)
{
	struct transfer *transfer = client->held;
	int err;

	if (!transfer) {
		ctl_client_refuse(client, ERR_STATE, 2, "restore-part comes after restore");
		return;
	}
	err = take(transfer, &request->args[IPC_ARG_SEALED]);
	if (err) {
		ctl_client_hold(client, NULL, NULL);
		ctl_client_refuse(client, err, 1, "%s", why(err));
	} else if (transfer->sealed.ended) {
		ctl_belong_restore(client, &transfer->backup);
	} else {
		answer(client);
	}
}
