/* The state directory: made and checked, and locked by one daemon at a time. */
#ifndef MESHD_DAEMON_STATEDIR_H
#define MESHD_DAEMON_STATEDIR_H

#include "gossip/base/err.h"

#define STATEDIR_LOCK_NAME  "lock"
#define STATEDIR_ERROR_SIZE 512

/* Makes it with mode 0700 where it is missing (not its parents), or sees that it is ours alone, and
 * takes the lock, which ends with the descriptor. ERR_STATE: another daemon has it, named in
 * ret_error, or it is not ours; ERR_SYSTEM. */
int statedir_open(
	const char *dir, int *ret_lock_fd, char ret_error[STATEDIR_ERROR_SIZE]) MUST_CHECK;
/* The same where nothing is to be made, and the directory may be another user's, as for root that
 * cleans up after a daemon that was none. ERR_UNKNOWN: no daemon has ever used it. */
int statedir_open_other(
	const char *dir, int *ret_lock_fd, char ret_error[STATEDIR_ERROR_SIZE]) MUST_CHECK;

#endif
