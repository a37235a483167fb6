#include <stdlib.h>

#include "cli/client.h"
#include "cli/describe.h"
#include "cli/human.h"
#include "cli/model.h"
#include "cli/sealed_file.h"
#include "cli/verb.h"

/* For all of it to be on disk, and the interface up. */
#define RESTORE_TIMEOUT_MS 120000

static const char backup_help[] =
	"Writes this node's whole state to FILE, sealed by a passphrase (Argon2id): its keys (the\n"
	"mesh's root key, where it is here), the mesh, and all records. On a new machine `meshctl\n"
	"restore` makes it the same member again. The file is only yours to read, and never "
	"written\n"
	"over another one.\n"
	"\n"
	"  --passphrase-file FILE   the passphrase is its first line (default: asked for)\n"
	"\n"
	"Example:\n"
	"  meshctl backup /media/stick/alpha.backup\n";

static const char restore_help[] =
	"Makes this machine, whose meshd belongs to no mesh, the node that `meshctl backup` has\n"
	"written to FILE: the same name, id and addresses. All of the file is read and checked "
	"before\n"
	"anything changes. What the mesh has seen of that node since then comes back from the "
	"other\n"
	"members. The old machine, should it come back, is told so and steps back.\n"
	"\n"
	"  --passphrase-file FILE   the passphrase is its first line (default: asked for)\n"
	"\n"
	"Example:\n"
	"  meshctl restore /media/stick/alpha.backup\n";

/* ---- backup ---- */

/* The one that is being written: items bear nothing but their bytes. */
static struct sealed_file *writing;

static int on_item(struct cli *cli, json_t *item)
{
	(void)cli;
	return sealed_file_take(writing, item);
}

static int run_backup(struct cli *cli, struct verb_call *call)
{
	const char *path = call->operands[0];
	struct sealed_file file;
	json_t *result = NULL;
	char size[HUMAN_SIZE];
	int status = sealed_file_create(&file, cli, call, SEALED_BACKUP);

	if (status == CLI_DONE) {
		writing = &file;
		sealed_file_request(&file, &call->request);
		status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, on_item, &result);
	}
	if (status == CLI_DONE)
		status = sealed_file_finish(&file);
	sealed_file_done(&file);
	if (status == CLI_DONE && cli->json) {
		json_object_set_new(result, "file", json_string(path));
		cli_print_json(cli, result, false);
	} else if (status == CLI_DONE) {
		fprintf(cli->screen.out, "This node, with %lld records, is sealed in %s (%s).\n",
			(long long)model_number(result, "records", 0), path,
			human_bytes((double)model_number(result, "bytes", 0), size));
	}
	json_decref(result);
	return status;
}

/* ---- restore ---- */

static int ask(struct cli *cli, struct client *client, const struct ipc_request *request,
	json_t **ret_result)
{
	char *error;
	int status = cli_ask(cli, client, request, RESTORE_TIMEOUT_MS, NULL, ret_result, &error);

	if (error)
		cli_fail(status, "%s", error);
	free(error);
	return status;
}

/* The next part of the file; *ret_result is that of the last one in the end. */
static int send_part(struct cli *cli, struct client *client, struct sealed_file *file,
	size_t part_size, json_t **result, size_t *ret_sent)
{
	static uint8_t part[SEALED_BOX_MAX];
	struct ipc_request request;
	int status = sealed_file_read(file, part, part_size, ret_sent);

	if (status != CLI_DONE || *ret_sent == 0)
		return status;
	ipc_request_init(&request, IPC_VERB_RESTORE_PART);
	if (ipc_request_set_bytes(&request, IPC_ARG_SEALED, part, *ret_sent) != 0)
		abort(); /* a box is smaller than what fits */
	json_decref(*result);
	return ask(cli, client, &request, result);
}

static int send_file(
	struct cli *cli, struct client *client, struct sealed_file *file, json_t **result)
{
	size_t sent = 1;
	int status = send_part(cli, client, file, SEALED_BEGIN_SIZE, result, &sent);

	while (status == CLI_DONE && sent)
		status = send_part(cli, client, file, SEALED_BOX_MAX, result, &sent);
	/* The end of the file without the end of what is in it. */
	if (status == CLI_DONE && !json_object_get(*result, "node"))
		status =
			cli_fail(CLI_FAILED, "%s: %s: the file is cut off", file->verb, file->path);
	return status;
}

static int run_restore(struct cli *cli, struct verb_call *call)
{
	struct sealed_file file;
	struct client client;
	json_t *result = NULL;
	char *error = NULL;
	int status = sealed_file_open(&file, cli, call);

	client_init(&client);
	if (status == CLI_DONE)
		status = cli_connect(cli, &client, &error);
	if (error)
		cli_fail(status, "%s", error);
	if (status == CLI_DONE) {
		sealed_file_request(&file, &call->request);
		status = ask(cli, &client, &call->request, &result);
	}
	if (status == CLI_DONE)
		status = send_file(cli, &client, &file, &result);
	if (status == CLI_DONE && cli->json)
		cli_print_json(cli, result, false);
	else if (status == CLI_DONE)
		describe_belonging(cli, result, "come back to");
	json_decref(result);
	free(error);
	client_done(&client);
	sealed_file_done(&file);
	return status;
}

const struct verb verb_backup = {
	.name = "backup",
	.arguments = "FILE [--passphrase-file FILE]",
	.summary = "seal this node's whole state in a file",
	.help = backup_help,
	.ipc = IPC_VERB_BACKUP,
	.options = {{"passphrase-file", VERB_PASSPHRASE}},
	.operands = {{"FILE", VERB_OWN}},
	.run = run_backup,
};

const struct verb verb_restore = {
	.name = "restore",
	.arguments = "FILE [--passphrase-file FILE]",
	.summary = "make this machine the node of a backup",
	.help = restore_help,
	.ipc = IPC_VERB_RESTORE,
	.options = {{"passphrase-file", VERB_PASSPHRASE}},
	.operands = {{"FILE", VERB_OWN}},
	.run = run_restore,
};
