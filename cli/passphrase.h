/* Passphrases, in memory that is locked and wiped, and never on a command line. */
#ifndef MESHD_CLI_PASSPHRASE_H
#define MESHD_CLI_PASSPHRASE_H

#include "cli/cli.h"
#include "daemon/ipc/sealed.h"

#define PASSPHRASE_MIN 8 /* bytes: fewer are guessed, whatever Argon2id costs */
#define PASSPHRASE_MAX 1024

/* Asked for on the terminal without an echo, twice for one that is to be remembered; or the first
 * line of a file (NULL: none). Release with sodium_free. The status: what failed has been told,
 * beginning with the verb's name. */
int passphrase_ask(const char *verb, const char *file, bool twice, char **ret) MUST_CHECK;
/* The key of a sealed file; takes about a second, and memory. ERR_NOMEM. */
int passphrase_derive(const char *passphrase, const struct sealed_head *head,
	uint8_t ret_key[SEALED_KEY_SIZE]) MUST_CHECK;

#endif
