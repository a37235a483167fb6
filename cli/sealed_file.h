/*
 * A file that only its passphrase opens (daemon/ipc/sealed.h), as meshctl makes and reads it: never
 * over another one, only its user's to read, and whole or not at all.
 */
#ifndef MESHD_CLI_SEALED_FILE_H
#define MESHD_CLI_SEALED_FILE_H

#include "cli/verb.h"
#include "daemon/ipc/sealed.h"

struct sealed_file {
	const char *verb, *path; /* borrowed */
	int fd;			 /* -1: none */
	bool unfinished;	 /* to be removed */
	uint8_t head[SEALED_HEAD_SIZE];
	uint8_t *key; /* sodium_malloc */
};

/* The call's first operand names the file. The daemon is asked what it would refuse whatever the
 * file; then its passphrase is asked for, or read from
 * --passphrase-file. The status, told. sealed_file_done whatever it is. */
int sealed_file_create(struct sealed_file *file, struct cli *cli, const struct verb_call *call,
	enum sealed_kind kind) MUST_CHECK;
int sealed_file_open(
	struct sealed_file *file, struct cli *cli, const struct verb_call *call) MUST_CHECK;
void sealed_file_done(struct sealed_file *file);

/* Puts key and head into a request; both borrowed. */
void sealed_file_request(const struct sealed_file *file, struct ipc_request *request);

/* Appends the bytes in an answer. */
int sealed_file_take(struct sealed_file *file, const json_t *bytes) MUST_CHECK;
/* It is on disk, and stays. */
int sealed_file_finish(struct sealed_file *file) MUST_CHECK;
/* Up to size bytes from where the last call ended; fewer only at the end. */
int sealed_file_read(struct sealed_file *file, void *ret, size_t size, size_t *ret_size) MUST_CHECK;
/* What comes after the head is read from its start again. */
int sealed_file_rewind(struct sealed_file *file) MUST_CHECK;

#endif
