#include "daemon/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config_internal.h"
#include "gossip/base/text.h"
#include "gossip/trust/admission.h"

/* ---- values ---- */

static int parse_name(const char *value, void *ret)
{
	if (!*value)
		return 0;
	if (admission_check_name(value))
		return ERR_INVALID;
	memcpy(ret, value, strlen(value));
	return 0;
}

static int parse_listen(const char *value, void *ret)
{
	return text_parse_endpoint(value, ret);
}

static int parse_listen_or_none(const char *value, void *ret)
{
	return *value ? text_parse_endpoint(value, ret) : 0;
}

static int parse_bool(const char *value, void *ret)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	bool *flag = ret;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(value, words[i])) {
			*flag = i % 2;
			return 0;
		}
	}
	return ERR_INVALID;
}

static bool interface_valid(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && size < CONFIG_INTERFACE_SIZE && name[0] != '-' && strcmp(name, ".") &&
	       strcmp(name, "..") &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       size;
}

static int parse_interface(const char *value, void *ret)
{
	if (!interface_valid(value))
		return ERR_INVALID;
	memcpy(ret, value, strlen(value));
	return 0;
}

static int parse_number(const char *value, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long number;

	if (*value < '0' || *value > '9')
		return ERR_INVALID;
	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || *end || number < min || number > max)
		return ERR_INVALID;
	*ret = number;
	return 0;
}

static int parse_port(const char *value, void *ret)
{
	unsigned long number;
	uint16_t *port = ret;

	if (parse_number(value, 1, UINT16_MAX, &number))
		return ERR_INVALID;
	*port = (uint16_t)number;
	return 0;
}

static int parse_mtu(const char *value, void *ret)
{
	unsigned long number = 0;
	uint16_t *mtu = ret;

	if (strcmp(value, "auto") && parse_number(value, CONFIG_MTU_MIN, CONFIG_MTU_MAX, &number))
		return ERR_INVALID;
	*mtu = (uint16_t)number;
	return 0;
}

static const char *const backends[] = {"auto", "kernel", "userspace", "none"};

const char *config_backend_label(enum config_backend backend)
{
	return backends[backend];
}

static int parse_backend(const char *value, void *ret)
{
	enum config_backend *backend = ret;

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!strcmp(value, backends[i])) {
			*backend = (enum config_backend)i;
			return 0;
		}
	}
	return ERR_INVALID;
}

int config_parse_level(const char *text, enum config_level *ret)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(text, levels[i])) {
			*ret = (enum config_level)i;
			return 0;
		}
	}
	return ERR_MALFORMED;
}

static int parse_level(const char *value, void *ret)
{
	return config_parse_level(value, ret);
}

static int parse_command(const char *value, void *ret)
{
	if (!*value || strlen(value) >= CONFIG_COMMAND_SIZE || !strstr(value, "%i"))
		return ERR_INVALID;
	memcpy(ret, value, strlen(value));
	return 0;
}

static int parse_rotate(const char *value, void *ret)
{
	int64_t *rotate_ms = ret;
	int64_t ms = 0;

	if (strcmp(value, "0") && (text_parse_duration(value, &ms) || ms < CONFIG_ROTATE_LEAST_MS))
		return ERR_INVALID;
	*rotate_ms = ms;
	return 0;
}

/* The next word of a list (blanks and commas between them) into word; false at its end. A word that
 * does not fit is cut to "", which nothing accepts. */
static bool next_word(const char **list, char *word, size_t capacity)
{
	static const char *const separators = " \t,";
	size_t size;

	*list += strspn(*list, separators);
	size = strcspn(*list, separators);
	if (!size)
		return false;
	word[0] = '\0';
	if (size < capacity) {
		memcpy(word, *list, size);
		word[size] = '\0';
	}
	*list += size;
	return true;
}

/* host:port, where host is a name, an IPv4 address or an IPv6 address in brackets. */
static int parse_host(char *word, struct config_host *ret)
{
	char *colon = strrchr(word, ':'), *host = word;
	struct ip ip;

	if (!colon || colon == word || parse_port(colon + 1, &ret->port))
		return ERR_INVALID;
	*colon = '\0';
	if (*host == '[') {
		if (colon[-1] != ']')
			return ERR_INVALID;
		colon[-1] = '\0';
		host++;
		if (text_parse_ip(host, &ip) || ip.family != 6)
			return ERR_INVALID;
	} else if (strspn(host,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
		   strlen(host)) {
		return ERR_INVALID;
	}
	if (strlen(host) >= sizeof(ret->host))
		return ERR_INVALID;
	memcpy(ret->host, host, strlen(host));
	return 0;
}

struct advertise {
	size_t count;
	struct config_host hosts[CONFIG_ADVERTISE_MAX];
};

static int parse_advertise(const char *value, void *ret)
{
	struct advertise *advertise = ret;
	char word[CONFIG_HOST_SIZE + 16];

	while (next_word(&value, word, sizeof(word))) {
		if (advertise->count == CONFIG_ADVERTISE_MAX ||
			parse_host(word, &advertise->hosts[advertise->count]))
			return ERR_INVALID;
		advertise->count++;
	}
	return 0;
}

struct interfaces {
	size_t count;
	char names[CONFIG_INTERFACES_MAX][CONFIG_INTERFACE_SIZE];
};

static int parse_interfaces(const char *value, void *ret)
{
	struct interfaces *interfaces = ret;
	char word[CONFIG_INTERFACE_SIZE];

	while (next_word(&value, word, sizeof(word))) {
		if (interfaces->count == CONFIG_INTERFACES_MAX || !interface_valid(word))
			return ERR_INVALID;
		memcpy(interfaces->names[interfaces->count++], word, strlen(word));
	}
	return 0;
}

/* ---- the table ---- */

#define FIELD(name) offsetof(struct config, name), sizeof(((struct config *)0)->name)
#define SPAN(first, last)                                                            \
	offsetof(struct config, first), offsetof(struct config, last) +              \
						sizeof(((struct config *)0)->last) - \
						offsetof(struct config, first)
#define AT_RESTART true
#define LIVE	   false

/* A list's count and items lie side by side in struct config as they do in its own struct. */
_Static_assert(offsetof(struct config, advertise) - offsetof(struct config, advertise_count) ==
		       offsetof(struct advertise, hosts),
	"advertise");
_Static_assert(
	offsetof(struct config, mdns_interfaces) - offsetof(struct config, mdns_interface_count) ==
		offsetof(struct interfaces, names),
	"mdns_interfaces");

/* clang-format off */
const struct config_setting config_settings[] = {
	{"node", "name", "",
	 "1 to 63 of a-z, 0-9 and -, no - at either end, and not four or more hexadecimal digits only "
	 "(empty: the host name's first label)",
	 LIVE, FIELD(node_name), parse_name},
	{"gossip", "listen", "[::]:8946",
	 "ADDRESS:PORT with a numeric address, as 0.0.0.0:8946 or [::]:8946 (IPv6 and IPv4)",
	 AT_RESTART, FIELD(listen), parse_listen},
	{"gossip", "advertise", "",
	 "at most 8 HOST:PORT, blanks between them, as vpn.example.org:8946 or [2001:db8::1]:8946",
	 LIVE, SPAN(advertise_count, advertise), parse_advertise},
	{"gossip", "mdns", "true", "true or false", LIVE, FIELD(mdns), parse_bool},
	{"gossip", "mdns-interfaces", "",
	 "at most 16 interface names, blanks between them (empty: every interface but the mesh's own)",
	 LIVE, SPAN(mdns_interface_count, mdns_interfaces), parse_interfaces},
	{"wireguard", "interface", "mesh0",
	 "an interface name: 1 to 15 of letters, digits, _ . and -",
	 AT_RESTART, FIELD(interface), parse_interface},
	{"wireguard", "listen-port", "51820", "a port, 1 to 65535",
	 AT_RESTART, FIELD(wireguard_port), parse_port},
	{"wireguard", "backend", "auto", "auto, kernel, userspace or none",
	 AT_RESTART, FIELD(backend), parse_backend},
	{"wireguard", "userspace-command", "wireguard-go -f %i",
	 "a program and its arguments that stays in the foreground, with %i for the interface",
	 AT_RESTART, FIELD(userspace_command), parse_command},
	{"wireguard", "mtu", "auto", "auto, or 1280 to 65455 bytes",
	 AT_RESTART, FIELD(mtu), parse_mtu},
	{"wireguard", "rotate-every", "30d", "a duration of at least 1h, as 12h or 30d; 0 for never",
	 AT_RESTART, FIELD(rotate_every_ms), parse_rotate},
	{"l2", "stp", "false", "true or false", AT_RESTART, FIELD(l2_stp), parse_bool},
	{"metrics", "listen", "",
	 "ADDRESS:PORT with a numeric address, as 127.0.0.1:9586 (empty: off)",
	 LIVE, FIELD(metrics_listen), parse_listen_or_none},
	{"log", "level", "info", "error, warn, info or debug", LIVE, FIELD(level), parse_level},
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(config_settings) <= CONFIG_SETTINGS_MAX, "a bit for each");

const size_t config_setting_count = ARRAY_SIZE(config_settings);

void config_defaults(struct config *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < config_setting_count; i++) {
		if (config_settings[i].parse(
			    config_settings[i].initial, (char *)ret + config_settings[i].offset))
			abort(); /* the table is ours */
	}
}

/* ---- use ---- */

const char *config_node_name(const struct config *config, char buf[CONFIG_NAME_SIZE])
{
	char host[HOST_NAME_MAX + 1] = "";
	size_t size = 0;

	if (config->node_name[0])
		return config->node_name;
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	for (const char *c = host; *c && *c != '.' && size < CONFIG_NAME_SIZE - 1; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9'))
			buf[size++] = *c;
		else if (*c >= 'A' && *c <= 'Z')
			buf[size++] = (char)(*c - 'A' + 'a');
		else if (size)
			buf[size++] = '-';
	}
	while (size && buf[size - 1] == '-')
		size--;
	buf[size] = '\0';
	if (admission_check_name(buf))
		buf[0] = '\0';
	return buf;
}

void config_take_live(struct config *config, const struct config *from)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];

		if (!setting->at_restart)
			memcpy((char *)config + setting->offset,
				(const char *)from + setting->offset, setting->size);
	}
}

void config_each_needing_restart(const struct config *before, const struct config *after,
	void (*each)(const char *section, const char *key, void *arg), void *arg)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];

		if (setting->at_restart &&
			memcmp((const char *)before + setting->offset,
				(const char *)after + setting->offset, setting->size))
			each(setting->section, setting->key, arg);
	}
}
