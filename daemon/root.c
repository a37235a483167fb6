#include "daemon/root.h"

#include <sodium.h>

#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "gossip/base/text.h"

#define CONTENT_VERSION 1
#define CONTENT_MAX	128 /* [version, mesh, seed] */

int root_may_export(struct daemon *daemon)
{
	return daemon->keys->has_root
		       ? 0
		       : daemon_refuse(daemon, ERR_STATE,
				 "the mesh's root key is not on this node: `meshctl root import "
				 "FILE` brings an exported one here");
}

int root_may_import(struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	return status.has_mesh
		       ? 0
		       : daemon_refuse(daemon, ERR_STATE,
				 "this node belongs to no mesh: `meshctl join` it first, the root "
				 "key comes after that");
}

/* The key file says what the core is told, or neither changes. */
static int keep(struct daemon *daemon, bool has_root, bool exported)
{
	struct keyfile *keys = daemon->keys;
	bool had_root = keys->has_root, was_exported = keys->root_exported;
	char error[KEYFILE_ERROR_SIZE];

	keys->has_root = has_root;
	keys->root_exported = exported;
	if (keyfile_write(keys, daemon->options.state_dir, error)) {
		keys->has_root = had_root;
		keys->root_exported = was_exported;
		return daemon_refuse(daemon, ERR_SYSTEM, "%s", error);
	}
	if (!has_root)
		keys_done(&keys->root);
	gossip_set_root(daemon->gossip, has_root ? &keys->root : NULL, exported);
	daemon_wake(daemon);
	return 0;
}

int root_export(struct daemon *daemon, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], uint8_t ret_sealed[ROOT_SEALED_MAX], size_t *ret_size)
{
	uint8_t content[CONTENT_MAX], seed[32];
	struct sealed sealed;
	struct pack pack;
	int err = root_may_export(daemon);

	if (err)
		return err;
	keys_seed(&daemon->keys->root, seed);
	pack_init(&pack, content, sizeof(content));
	pack_put_array(&pack, 3);
	pack_put_uint(&pack, CONTENT_VERSION);
	pack_put_bin(&pack, &daemon->keys->root.id, sizeof(struct id));
	pack_put_bin(&pack, seed, sizeof(seed));
	sealed_begin(&sealed, key, head, ret_sealed);
	*ret_size = SEALED_BEGIN_SIZE +
		    sealed_put(&sealed, content, pack.size, ret_sealed + SEALED_BEGIN_SIZE);
	sealed_done(&sealed);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(content, sizeof(content));
	return 0;
}

int root_forget(struct daemon *daemon)
{
	int err = root_may_export(daemon);

	if (err)
		return err;
	if (!daemon->keys->root_exported)
		return daemon_refuse(daemon, ERR_STATE,
			"the mesh's root key was never exported, and would be lost for good: "
			"`meshctl root export FILE` first");
	err = keep(daemon, false, false);
	if (!err)
		log_info("the mesh's root key is not on this node any more");
	return err;
}

static int read_content(const uint8_t *content, size_t size, struct keys *ret)
{
	struct pack_reader reader = pack_reader(content, size);
	uint8_t seed[32];
	uint64_t version;
	uint32_t count;
	struct id mesh;
	int err = ERR_MALFORMED;

	if (pack_get_array(&reader, "root", 3, 3, &count) == 0 &&
		pack_get_uint(&reader, "version", CONTENT_VERSION, &version) == 0 &&
		version == CONTENT_VERSION &&
		pack_get_fixed(&reader, "mesh", &mesh, sizeof(mesh)) == 0 &&
		pack_get_fixed(&reader, "seed", seed, sizeof(seed)) == 0 &&
		pack_get_end(&reader, "root") == 0) {
		keys_from_seed(seed, ret);
		err = id_equal(&ret->id, &mesh) ? 0 : ERR_MALFORMED;
	}
	sodium_memzero(seed, sizeof(seed));
	return err;
}

static int open_sealed(const uint8_t key[SEALED_KEY_SIZE], const uint8_t head[SEALED_HEAD_SIZE],
	const uint8_t *bytes, size_t size, struct keys *ret)
{
	uint8_t content[SEALED_PLAIN_MAX];
	struct sealed sealed;
	size_t content_size = 0;
	int err = size < SEALED_BEGIN_SIZE
			  ? ERR_AUTH
			  : sealed_open(&sealed, key, head, bytes, SEALED_BEGIN_SIZE);

	if (!err)
		err = sealed_get(&sealed, bytes + SEALED_BEGIN_SIZE, size - SEALED_BEGIN_SIZE,
			content, &content_size);
	if (!err)
		err = sealed.ended ? read_content(content, content_size, ret) : ERR_AUTH;
	sealed_done(&sealed);
	sodium_memzero(content, sizeof(content));
	return err;
}

int root_import(struct daemon *daemon, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], const uint8_t *sealed, size_t size)
{
	struct keys *root = sodium_malloc(sizeof(*root));
	struct gossip_status status;
	int err;

	if (!root)
		return daemon_refuse(daemon, ERR_NOMEM, "out of memory");
	gossip_status(daemon->gossip, &status);
	err = open_sealed(key, head, sealed, size, root);
	if (err == ERR_AUTH) {
		daemon_refuse(daemon, err,
			"it does not open: another passphrase, or the file is cut off or changed");
	} else if (err) {
		daemon_refuse(
			daemon, err, "there is no root key in it that this version understands");
	} else if (!status.has_mesh) {
		err = root_may_import(daemon);
	} else if (!id_equal(&root->id, &status.mesh)) {
		err = daemon_refuse(daemon, ERR_OTHER_MESH,
			"it is the root key of another mesh than this node's");
	} else {
		daemon->keys->root = *root;
		err = keep(daemon, true, true);
	}
	sodium_free(root);
	return err;
}
