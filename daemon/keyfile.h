/*
 * The secrets of this node, in one file `keys` of mode 0600 in the state directory, one `name =
 * value` a line:
 *
 *   identity = base64 of the 32-byte Ed25519 seed
 *   wireguard = the same, of the WireGuard key's Ed25519 form
 *   wireguard-next = the same, while a next key is announced
 *   wireguard-made, wireguard-next-made = when, in seconds since 1970
 *   root = the same, on the node that holds the mesh's root key
 *   root-exported = true, once a copy of it has left the machine
 *   mesh = base64 of the mesh's id: what this node belongs to, should the database be lost
 *   life = how often this identity was restored from a backup: GOSSIP_LIFE_SHIFT
 *
 * Blank lines and lines that begin with # are passed over; anything else is refused: a line with
 * another name is a newer meshd's, and what it means may not be lost. It is replaced
 * as a whole: written beside, flushed, renamed, the directory flushed.
 */
#ifndef MESHD_DAEMON_KEYFILE_H
#define MESHD_DAEMON_KEYFILE_H

#include "gossip/base/mtime.h"
#include "gossip/crypto/keys.h"

#define KEYFILE_NAME	   "keys"
#define KEYFILE_SIZE_MAX   4096 /* nine lines of at most 70 characters, and comments */
#define KEYFILE_ERROR_SIZE 512

/* In memory that is locked, guarded and wiped (sodium_malloc). */
struct keyfile {
	struct keys identity, wireguard;
	bool has_next, has_root, root_exported, has_mesh;
	struct keys next;
	wtime_t wireguard_made, next_made; /* 0: not known */
	struct keys root;
	struct id mesh;
	unsigned life;
};

/* Reads the file in dir, or makes one with fresh keys where there is none. Refused (ERR_MALFORMED:
 * its content; ERR_VERSION: a newer meshd wrote it; ERR_STATE: its owner or mode; ERR_SYSTEM) with
 * what to do in ret_error. */
int keyfile_open(
	const char *dir, struct keyfile **ret, char ret_error[KEYFILE_ERROR_SIZE]) MUST_CHECK;
void keyfile_free(struct keyfile *file);

/* Writes it as it is now. ERR_SYSTEM: what was on disk is still there. */
int keyfile_write(
	const struct keyfile *file, const char *dir, char ret_error[KEYFILE_ERROR_SIZE]) MUST_CHECK;
/* A node that belongs to nothing, with fresh keys; not written yet. */
void keyfile_fresh(struct keyfile *file);

/* The content of the file; its length. To be wiped. */
size_t keyfile_format(const struct keyfile *file, char text[KEYFILE_SIZE_MAX]);
/* The content of a file, for keyfile_open and others that have one. ERR_MALFORMED and ERR_VERSION
 * name the line. */
int keyfile_parse(char *text, size_t size, struct keyfile *ret,
	char ret_error[KEYFILE_ERROR_SIZE]) MUST_CHECK;

#endif
