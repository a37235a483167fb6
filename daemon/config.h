/*
 * The settings, every one of them optional. One table of them (config.c) is what files, defaults,
 * errors and reloads go by; files are config_file.h's.
 */
#ifndef MESHD_DAEMON_CONFIG_H
#define MESHD_DAEMON_CONFIG_H

#include <stddef.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define CONFIG_NAME_SIZE      64  /* a node's name and NUL */
#define CONFIG_INTERFACE_SIZE 16  /* IFNAMSIZ */
#define CONFIG_HOST_SIZE      254 /* a host name (RFC 1035) and NUL */
#define CONFIG_ADVERTISE_MAX  8
#define CONFIG_INTERFACES_MAX 16
#define CONFIG_COMMAND_SIZE   256
#define CONFIG_MTU_MIN	      1280 /* IPv6's least (RFC 8200) */
#define CONFIG_MTU_MAX	      65455
#define CONFIG_ROTATE_LEAST_MS \
	(60 * 60 * 1000) /* a handshake lives 3 minutes; peers confirm first */

enum config_backend {
	CONFIG_BACKEND_AUTO,
	CONFIG_BACKEND_KERNEL,
	CONFIG_BACKEND_USERSPACE,
	CONFIG_BACKEND_NONE, /* gossip only, no data plane */
};

enum config_level { CONFIG_LEVEL_ERROR, CONFIG_LEVEL_WARN, CONFIG_LEVEL_INFO, CONFIG_LEVEL_DEBUG };

struct config_host {
	char host[CONFIG_HOST_SIZE]; /* a name, or an address without brackets */
	uint16_t port;
};

/* Plain data, unused bytes zero, so that two of them compare by field. */
struct config {
	char node_name[CONFIG_NAME_SIZE]; /* empty: by the host's name, config_node_name() */

	struct endpoint listen;
	size_t advertise_count;
	struct config_host advertise[CONFIG_ADVERTISE_MAX];
	bool mdns;
	size_t mdns_interface_count; /* 0: every interface but the mesh's own */
	char mdns_interfaces[CONFIG_INTERFACES_MAX][CONFIG_INTERFACE_SIZE];

	char interface[CONFIG_INTERFACE_SIZE];
	uint16_t wireguard_port;
	enum config_backend backend;
	char userspace_command[CONFIG_COMMAND_SIZE];
	uint16_t mtu;		 /* 0: auto */
	int64_t rotate_every_ms; /* 0: never */

	bool l2_stp;

	struct endpoint metrics_listen; /* family 0: off */

	enum config_level level;
};

const char *config_backend_label(enum config_backend backend);
/* error, warn, info, debug; ERR_MALFORMED. */
int config_parse_level(const char *text, enum config_level *ret) MUST_CHECK;

void config_defaults(struct config *ret);
/* The name this node asks for: the configured one, else made from the host name's first label;
 * empty where that has nothing to make a name of. */
const char *config_node_name(const struct config *config, char buf[CONFIG_NAME_SIZE]);

/* Takes over the settings that a reload changes. */
void config_take_live(struct config *config, const struct config *from);
/* Calls for each setting, `[section] key`, that differs and takes effect at a restart only. */
void config_each_needing_restart(const struct config *before, const struct config *after,
	void (*each)(const char *section, const char *key, void *arg), void *arg);

#endif
