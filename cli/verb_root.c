#include "cli/model.h"
#include "cli/sealed_file.h"
#include "cli/verb.h"

#include <stdlib.h>

static const char export_help[] =
	"Writes the mesh's root key to FILE, sealed by a passphrase (Argon2id). Without the root "
	"key\n"
	"no admin can be made or revoked: keep the file, and the passphrase, in safe places, off "
	"this\n"
	"host. The file is only yours to read, and never written over another one.\n"
	"\n"
	"  --passphrase-file FILE   the passphrase is its first line (default: asked for)\n"
	"\n"
	"Example:\n"
	"  meshctl root export /media/stick/mesh.root && meshctl root forget\n";

static const char forget_help[] = "Forgets the mesh's root key, once it has been exported. Admins "
				  "invite and revoke nodes as\n"
				  "before; to make or revoke an admin, import it again.\n"
				  "\n"
				  "Example:\n"
				  "  meshctl root forget\n";

static const char import_help[] =
	"Takes the mesh's root key from a file that `meshctl root export` has written, on any node "
	"of\n"
	"that mesh.\n"
	"\n"
	"  --passphrase-file FILE   the passphrase is its first line (default: asked for)\n"
	"\n"
	"Example:\n"
	"  meshctl root import /media/stick/mesh.root\n";

static int ask_export(struct cli *cli, struct verb_call *call, struct sealed_file *file)
{
	json_t *result;
	int status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result);

	if (status != CLI_DONE)
		return status;
	status = sealed_file_take(file, json_object_get(result, "sealed"));
	json_decref(result);
	return status;
}

/* The file's content goes to the daemon, which makes sure of it. */
static int ask_import(struct cli *cli, struct sealed_file *file, json_t **ret_result)
{
	uint8_t sealed[1024];
	struct ipc_request request;
	size_t size;
	int status = sealed_file_read(file, sealed, sizeof(sealed), &size);

	if (status != CLI_DONE)
		return status;
	ipc_request_init(&request, IPC_VERB_ROOT_IMPORT);
	sealed_file_request(file, &request);
	if (ipc_request_set_bytes(&request, IPC_ARG_SEALED, sealed, size) != 0)
		abort();
	return cli_call(cli, &request, CLI_TIMEOUT_MS, NULL, ret_result);
}

static int print(struct cli *cli, const char *what, const char *path, json_t *result)
{
	if (cli->json) {
		if (path)
			json_object_set_new(result, "file", json_string(path));
		cli_print_json(cli, result, false);
	} else {
		fprintf(cli->screen.out, "The root key of mesh %.8s %s%s.\n",
			model_text(result, "mesh", ""), what, path ? path : "");
	}
	json_decref(result);
	return CLI_DONE;
}

static int run_export(struct cli *cli, struct verb_call *call)
{
	struct sealed_file file;
	json_t *result = NULL;
	int status = sealed_file_create(&file, cli, call, SEALED_ROOT);

	if (status == CLI_DONE) {
		sealed_file_request(&file, &call->request);
		status = ask_export(cli, call, &file);
	}
	if (status == CLI_DONE)
		status = sealed_file_finish(&file);
	if (status == CLI_DONE)
		status = sealed_file_rewind(&file);
	if (status == CLI_DONE)
		status = ask_import(cli, &file, &result);
	sealed_file_done(&file);
	return status == CLI_DONE ? print(cli, "is sealed in ", call->operands[0], result) : status;
}

static int run_import(struct cli *cli, struct verb_call *call)
{
	struct sealed_file file;
	json_t *result = NULL;
	int status = sealed_file_open(&file, cli, call);

	if (status == CLI_DONE)
		status = ask_import(cli, &file, &result);
	sealed_file_done(&file);
	return status == CLI_DONE ? print(cli, "is on this node", NULL, result) : status;
}

static void render_forget(struct cli *cli, const json_t *result)
{
	fprintf(cli->screen.out, "The root key of mesh %.8s is not on this node any more.\n",
		model_text(result, "mesh", ""));
}

const struct verb verb_root_export = {
	.name = "root export",
	.arguments = "FILE [--passphrase-file FILE]",
	.summary = "seal the mesh's root key in a file",
	.help = export_help,
	.ipc = IPC_VERB_ROOT_EXPORT,
	.options = {{"passphrase-file", VERB_PASSPHRASE}},
	.operands = {{"FILE", VERB_OWN}},
	.run = run_export,
};

const struct verb verb_root_forget = {
	.name = "root forget",
	.arguments = "",
	.summary = "take the exported root key off this node",
	.help = forget_help,
	.ipc = IPC_VERB_ROOT_FORGET,
	.render = render_forget,
};

const struct verb verb_root_import = {
	.name = "root import",
	.arguments = "FILE [--passphrase-file FILE]",
	.summary = "bring an exported root key to this node",
	.help = import_help,
	.ipc = IPC_VERB_ROOT_IMPORT,
	.options = {{"passphrase-file", VERB_PASSPHRASE}},
	.operands = {{"FILE", VERB_OWN}},
	.run = run_import,
};
