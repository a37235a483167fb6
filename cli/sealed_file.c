#include "cli/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/memory.h"
#include "cli/model.h"
#include "cli/passphrase.h"

static int fail(const struct sealed_file *file, const char *what)
{
	return cli_fail(CLI_FAILED, "%s: %s: %s%s", file->verb, file->path, what, strerror(errno));
}

static void init(struct sealed_file *file, const struct verb_call *call)
{
	*file = (struct sealed_file){.verb = call->verb->name, .path = call->operands[0], .fd = -1};
}

static int derive(struct sealed_file *file, const struct verb_call *call,
	const struct sealed_head *head, bool twice)
{
	char *passphrase;
	int status = passphrase_ask(file->verb, call->passphrase_file, twice, &passphrase);

	if (status != CLI_DONE)
		return status;
	file->key = memory_check(sodium_malloc(SEALED_KEY_SIZE));
	if (passphrase_derive(passphrase, head, file->key) != 0)
		status = cli_fail(CLI_FAILED,
			"%s: the passphrase takes %u MiB of memory to work on, which this host "
			"does not have now",
			file->verb, (unsigned)head->memory_kib / 1024);
	sodium_free(passphrase);
	return status;
}

/* Before anybody types a passphrase for it. */
static bool can_make(const char *path)
{
	char *copy = memory_copy(path);
	bool can = access(dirname(copy), W_OK | X_OK) == 0;

	free(copy);
	return can;
}

static int write_whole(struct sealed_file *file, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size) {
		ssize_t put = write(file->fd, at, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fail(file, "");
		at += put;
		size -= (size_t)put;
	}
	return CLI_DONE;
}

static int ask_first(struct cli *cli, const struct verb_call *call)
{
	json_t *result = NULL;
	int status = cli_call(cli, &call->request, CLI_TIMEOUT_MS, NULL, &result);

	json_decref(result);
	return status;
}

int sealed_file_create(struct sealed_file *file, struct cli *cli, const struct verb_call *call,
	enum sealed_kind kind)
{
	struct sealed_head head = {.kind = kind,
		.operations = SEALED_OPERATIONS_MIN,
		.memory_kib = SEALED_MEMORY_KIB_MIN};
	int status;

	init(file, call);
	if (access(file->path, F_OK) == 0)
		return cli_fail(CLI_FAILED, "%s: %s is there already: name another file",
			file->verb, file->path);
	if (!can_make(file->path))
		return fail(file, "");
	if (sodium_init() < 0)
		return cli_fail(CLI_FAILED, "%s: libsodium has no randomness", file->verb);
	randombytes_buf(head.salt, sizeof(head.salt));
	sealed_head_encode(&head, file->head);
	status = ask_first(cli, call);
	if (status == CLI_DONE)
		status = derive(file, call, &head, true);
	if (status != CLI_DONE)
		return status;
	interrupt_take(); /* half a file does not stay */
	file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return fail(file, "");
	file->unfinished = true;
	return write_whole(file, file->head, sizeof(file->head));
}

int sealed_file_open(struct sealed_file *file, struct cli *cli, const struct verb_call *call)
{
	struct sealed_head head;
	size_t size;
	int status, err;

	init(file, call);
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		return fail(file, "");
	status = sealed_file_read(file, file->head, sizeof(file->head), &size);
	if (status != CLI_DONE)
		return status;
	err = sealed_head_decode(file->head, size, &head);
	if (err == 0) {
		status = ask_first(cli, call);
		return status == CLI_DONE ? derive(file, call, &head, false) : status;
	}
	return cli_fail(CLI_FAILED, "%s: %s: %s", file->verb, file->path,
		err == ERR_VERSION ? "a newer version of meshctl made it"
		: err == ERR_LIMIT ? "what its passphrase is to cost is not what meshctl writes"
				   : "this is no file that meshctl has sealed");
}

void sealed_file_done(struct sealed_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->unfinished)
		unlink(file->path);
	sodium_free(file->key);
	file->fd = -1;
	file->key = NULL;
}

void sealed_file_request(const struct sealed_file *file, struct ipc_request *request)
{
	int err = ipc_request_set_bytes(request, IPC_ARG_SECRET, file->key, SEALED_KEY_SIZE);

	if (!err)
		err = ipc_request_set_bytes(request, IPC_ARG_HEAD, file->head, SEALED_HEAD_SIZE);
	if (err)
		abort(); /* both are small */
}

int sealed_file_take(struct sealed_file *file, const json_t *bytes)
{
	uint8_t *sealed;
	size_t size;
	int status;

	if (model_bytes(bytes, &sealed, &size) != 0)
		return cli_fail(CLI_UNREACHABLE, "%s: what answers is no meshd of this version",
			file->verb);
	status = write_whole(file, sealed, size);
	free(sealed);
	return status;
}

int sealed_file_finish(struct sealed_file *file)
{
	char *copy = memory_copy(file->path);
	int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = fsync(file->fd) || folder < 0 || fsync(folder);
	int status = failed ? fail(file, "cannot be brought to disk: ") : CLI_DONE;

	file->unfinished = failed;
	if (folder >= 0)
		close(folder);
	free(copy);
	return status;
}

int sealed_file_read(struct sealed_file *file, void *ret, size_t size, size_t *ret_size)
{
	uint8_t *at = ret;

	*ret_size = 0;
	while (*ret_size < size) {
		ssize_t got = read(file->fd, at + *ret_size, size - *ret_size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(file, "");
		if (got == 0)
			break;
		*ret_size += (size_t)got;
	}
	return CLI_DONE;
}

int sealed_file_rewind(struct sealed_file *file)
{
	return lseek(file->fd, SEALED_HEAD_SIZE, SEEK_SET) < 0 ? fail(file, "") : CLI_DONE;
}
