/*
 * The mesh's root key on this node: given out sealed, forgotten, and taken back. It signs only what
 * makes and removes admins, and need not be on any machine in between.
 */
#ifndef MESHD_DAEMON_ROOT_H
#define MESHD_DAEMON_ROOT_H

#include "daemon/daemon.h"
#include "daemon/ipc/sealed.h"

#define ROOT_SEALED_MAX (SEALED_BEGIN_SIZE + SEALED_BOX_OVER + 128)

/* With a derived key and a file's head, of which the caller made sure by sealed_head_decode. Each
 * is on disk when it returns. Errors have a text in daemon_error(). */

/* ERR_STATE: this node does not hold the root. */
int root_may_export(struct daemon *daemon) MUST_CHECK;
/* ERR_STATE: this node belongs to no mesh. */
int root_may_import(struct daemon *daemon) MUST_CHECK;
/* What comes behind the head. ERR_STATE: this node does not hold the root. It counts as exported
 * when root_import has seen that it can be read back. */
int root_export(struct daemon *daemon, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], uint8_t ret_sealed[ROOT_SEALED_MAX],
	size_t *ret_size) MUST_CHECK;
/* ERR_STATE: it was never exported, or is not here. */
int root_forget(struct daemon *daemon) MUST_CHECK;
/* ERR_AUTH: does not open; ERR_OTHER_MESH; ERR_STATE: this node belongs to no mesh. */
int root_import(struct daemon *daemon, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], const uint8_t *sealed, size_t size) MUST_CHECK;

#endif
