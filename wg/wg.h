/*
 * WireGuard interfaces as plain data: what is wanted, what is there, and the few operations that
 * lie between the two. Pure; the backends (wg_backend.h) observe and apply.
 */
#ifndef MESHD_WG_WG_H
#define MESHD_WG_WG_H

#include <stddef.h>
#include <stdint.h>

#include "gossip/base/err.h"
#include "gossip/base/mtime.h"
#include "gossip/base/types.h"

#define WG_KEY_SIZE	 32
#define WG_NAME_SIZE	 16	   /* IFNAMSIZ: an interface's name and NUL */
#define WG_PEERS_MAX	 65536	   /* wireguard-go takes no more */
#define WG_ALLOWED_MAX	 (1 << 20) /* allowed IPs of an interface: 20 MB */
#define WG_KEEPALIVE_MAX 65535

struct wg_peer {
	uint8_t public_key[WG_KEY_SIZE];
	uint8_t preshared_key[WG_KEY_SIZE]; /* all zero: none */
	struct endpoint endpoint;	    /* family 0: none */
	/* Wanted only: put the endpoint in place of the one WireGuard has learned. Otherwise ours
	 * is used only where WireGuard knows none. Whoever sets it clears it again once it is done.
	 */
	bool endpoint_set;
	uint16_t keepalive_s;	/* 0: off */
	struct prefix *allowed; /* sorted after wg_device_seal; the peer's own */
	uint32_t allowed_count, allowed_capacity;
	/* Observed only. */
	wtime_t last_handshake; /* 0: never */
	uint64_t rx_bytes, tx_bytes;
};

struct wg_device {
	char name[WG_NAME_SIZE];
	uint32_t ifindex;		  /* observed only; 0 where the backend does not say */
	uint8_t private_key[WG_KEY_SIZE]; /* all zero: none */
	uint8_t public_key[WG_KEY_SIZE];  /* of the private key */
	uint16_t listen_port;		  /* wanted 0: whichever it has */
	uint32_t fwmark;
	struct wg_peer *peers; /* sorted by public key after wg_device_seal */
	uint32_t peer_count;
	size_t peer_capacity;
};

/* Wipes keys and releases the peers; a zeroed device is an empty one. */
void wg_device_done(struct wg_device *device);

/* Hands it over: nothing of its keys stays behind at the old place. */
void wg_device_move(struct wg_device *from, struct wg_device *ret);

/* A new peer at the end, zeroed but for its key; the pointer is good until the next one is added.
 * ERR_LIMIT, ERR_NOMEM. */
int wg_device_add_peer(struct wg_device *device, const uint8_t public_key[WG_KEY_SIZE],
	struct wg_peer **ret) MUST_CHECK;
int wg_peer_add_allowed(struct wg_peer *peer, const struct prefix *prefix) MUST_CHECK;

/*
 * Sorts a device that is built. ERR_INVALID: two peers with one key, a peer with the device's own
 * key (WireGuard ignores it silently, so it would be missing for ever), one prefix at two peers (it
 * would move to and fro), bits set beyond a prefix's mask or more bits than its family has.
 */
int wg_device_seal(struct wg_device *device) MUST_CHECK;

/* In a sealed device; NULL if it is not there. */
struct wg_peer *wg_device_peer(
	const struct wg_device *device, const uint8_t public_key[WG_KEY_SIZE]);

/* Operations. A list is self-contained: it borrows from neither side of the diff. */

enum wg_op_kind {
	WG_OP_DEVICE,
	WG_OP_PEER_ADD,
	WG_OP_PEER_UPDATE, /* of a peer that is there; never creates one */
	WG_OP_PEER_REMOVE,
};

/* What an operation sets; everything else stays as it is. */
enum wg_set {
	WG_SET_KEY = 1 << 0, /* device: the private key, or the peer's preshared key */
	WG_SET_PORT = 1 << 1,
	WG_SET_FWMARK = 1 << 2,
	WG_SET_ENDPOINT = 1 << 3,
	WG_SET_KEEPALIVE = 1 << 4,
	WG_SET_ALLOWED = 1 << 5, /* adds the listed prefixes, from other peers if need be */
	/* With WG_SET_ALLOWED: the list is all the peer has. No backend could take one prefix away
	 * before Linux 6.16 and wireguard-go of 2025 otherwise. */
	WG_SET_REPLACE = 1 << 6,
};

struct wg_op {
	enum wg_op_kind kind;
	unsigned int set;		 /* enum wg_set */
	uint8_t public_key[WG_KEY_SIZE]; /* the peer's, or the device's new one */
	uint8_t key[WG_KEY_SIZE];	 /* WG_SET_KEY */
	struct endpoint endpoint;
	uint32_t fwmark;
	uint16_t listen_port, keepalive_s;
	uint32_t allowed_at, allowed_count; /* in the list's prefixes */
};

/* In the order in which they are applied: the device, peers added and updated by key, so that a
 * prefix moves before its former owner goes, then peers removed by key. */
struct wg_ops {
	struct wg_op *ops;
	size_t count, capacity;
	struct prefix *prefixes;
	size_t prefix_count, prefix_capacity;
};

/* Wipes keys. A zeroed list is an empty one. */
void wg_ops_done(struct wg_ops *ops);

/* What turns have into want, both sealed. Linear in their size. ERR_NOMEM. */
int wg_diff(const struct wg_device *want, const struct wg_device *have,
	struct wg_ops *ret_ops) MUST_CHECK;

/* What WireGuard makes of the operations, done to a sealed observation; it stays sealed. ERR_NOMEM:
 * the observation is no longer true and must be made anew. */
int wg_device_apply(struct wg_device *have, const struct wg_ops *ops) MUST_CHECK;

#endif
