#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gossip/base/text.h"
#include "gossip/trust/admission.h"

#define SETTINGS_MAX 64 /* bits of parser.seen */

struct setting {
	const char *section, *key;
	const char *initial; /* the default, as it would stand in the file */
	const char *allowed; /* for people */
	bool at_restart;     /* a reload does not change it */
	size_t offset, size;
	/* ret points to zeroed memory of the field's size; anything but 0 refuses the value. */
	int (*parse)(const char *value, void *ret);
};

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
static const struct setting settings[] = {
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

_Static_assert(ARRAY_SIZE(settings) <= SETTINGS_MAX, "parser.seen has a bit for each");

void config_defaults(struct config *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].parse(settings[i].initial, (char *)ret + settings[i].offset))
			abort(); /* the table is ours */
	}
}

/* ---- a file ---- */

struct parser {
	const char *source;
	const char *at, *end; /* what is left to read */
	int line;
	uint64_t seen; /* settings, by their index */
	struct config config;
	int port_line;	/* where a port was set last */
	int error_line; /* 0: none */
	char *error;
};

static int refuse(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The first error stays. */
static int refuse(struct parser *parser, const char *format, ...)
{
	va_list args;
	int size;

	if (parser->error_line)
		return 0;
	parser->error_line = parser->line;
	size = snprintf(parser->error, CONFIG_ERROR_SIZE, "%s:%d: ", parser->source, parser->line);
	if (size < 0 || size >= CONFIG_ERROR_SIZE)
		return 0;
	va_start(args, format);
	vsnprintf(parser->error + size, CONFIG_ERROR_SIZE - size, format, args);
	va_end(args);
	for (char *c = parser->error; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	}
	return 0;
}

static const char *list_names(const char *section, char *buf, size_t capacity)
{
	size_t used = 0;
	const char *last = NULL;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const char *name = section ? settings[i].key : settings[i].section;

		if ((section && strcmp(settings[i].section, section)) ||
			(last && !strcmp(last, name)))
			continue;
		used += (size_t)snprintf(
			buf + used, capacity - used, "%s%s", last ? ", " : "", name);
		last = name;
		if (used >= capacity)
			break;
	}
	return buf;
}

static bool section_known(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!strcmp(settings[i].section, section))
			return true;
	}
	return false;
}

static int refuse_section(struct parser *parser, const char *section)
{
	char names[128];

	return refuse(parser, "unknown section [%.64s]; there are: %s", section,
		list_names(NULL, names, sizeof(names)));
}

/* inih calls this for each setting; 0 marks an error. */
static int on_setting(void *user, const char *section, const char *key, const char *value)
{
	struct parser *parser = user;
	const struct setting *setting = NULL;
	char names[192];

	if (parser->error_line)
		return 0;
	if (!*section)
		return refuse(parser, "%.64s stands before the first [section]", key);
	if (!section_known(section))
		return refuse_section(parser, section);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!strcmp(settings[i].section, section) && !strcmp(settings[i].key, key))
			setting = &settings[i];
	}
	if (!setting)
		return refuse(parser, "unknown key %.64s in [%s]; there are: %s", key, section,
			list_names(section, names, sizeof(names)));
	if (parser->seen & UINT64_C(1) << (setting - settings))
		return refuse(parser, "[%s] %s is set a second time", section, key);
	parser->seen |= UINT64_C(1) << (setting - settings);

	memset((char *)&parser->config + setting->offset, 0, setting->size);
	if (!text_utf8_valid(value, strlen(value)) ||
		setting->parse(value, (char *)&parser->config + setting->offset))
		return refuse(parser, "[%s] %s = %.100s: not allowed; it may be %s", section, key,
			value, setting->allowed);
	if (setting->parse == parse_listen || setting->parse == parse_port)
		parser->port_line = parser->line;
	return 1;
}

/* Gossip and WireGuard both want theirs in UDP. */
static void check_ports(struct parser *parser)
{
	const struct config *config = &parser->config;

	if (config->backend == CONFIG_BACKEND_NONE || config->listen.port != config->wireguard_port)
		return;
	parser->line = parser->port_line;
	refuse(parser,
		"[wireguard] listen-port = %u: not allowed; it may be a port that [gossip] "
		"listen has not",
		config->wireguard_port);
}

/* inih does not tell of a section that has no settings: look at the line ourselves. */
static void check_section_line(struct parser *parser, const char *line, size_t size)
{
	const char *close;
	char section[65];

	while (size && (*line == ' ' || *line == '\t'))
		line++, size--;
	if (!size || *line != '[')
		return;
	close = memchr(line, ']', size);
	if (!close || (size_t)(close - line) > sizeof(section))
		return; /* inih refuses the first; the second is no section of ours */
	memcpy(section, line + 1, close - line - 1);
	section[close - line - 1] = '\0';
	if (!section_known(section))
		refuse_section(parser, section);
}

/* inih's fgets(): one line, and the place to count them. */
static char *read_line(char *ret, int capacity, void *stream)
{
	struct parser *parser = stream;
	const char *newline;
	size_t size;

	if (parser->at == parser->end || parser->error_line)
		return NULL;
	parser->line++;
	newline = memchr(parser->at, '\n', parser->end - parser->at);
	size = newline ? (size_t)(newline - parser->at) : (size_t)(parser->end - parser->at);
	if (size > CONFIG_LINE_MAX || size + 2 > (size_t)capacity) {
		refuse(parser, "longer than %d characters", CONFIG_LINE_MAX);
		return NULL;
	}
	if (memchr(parser->at, '\0', size)) {
		refuse(parser, "this is no text file");
		return NULL;
	}
	if (parser->line == 1 && size >= 3 && !memcmp(parser->at, "\xef\xbb\xbf", 3))
		check_section_line(parser, parser->at + 3, size - 3);
	else
		check_section_line(parser, parser->at, size);
	memcpy(ret, parser->at, size);
	ret[size] = '\n';
	ret[size + 1] = '\0';
	parser->at += size + (newline ? 1 : 0);
	return ret;
}

int config_parse(const char *source, const char *text, size_t size, struct config *ret,
	char ret_error[CONFIG_ERROR_SIZE])
{
	char error[CONFIG_ERROR_SIZE];
	struct parser parser = {.source = source, .at = text, .end = text + size, .error = error};
	int line;

	config_defaults(&parser.config);
	ini_max_line = CONFIG_LINE_MAX + 4;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = ini_max_line;
	ini_stop_on_first_error = true;
	ini_allow_multiline = false;
	line = ini_parse_stream(read_line, &parser, on_setting, &parser);
	if (line && !parser.error_line) {
		if (line > 0)
			parser.line = line;
		refuse(&parser, line > 0 ? "neither `key = value` nor `[section]` nor a comment"
					 : "out of memory");
	}
	check_ports(&parser);
	if (parser.error_line) {
		memcpy(ret_error, error, sizeof(error));
		return ERR_MALFORMED;
	}
	*ret = parser.config;
	return 0;
}

int config_read(const char *path, struct config *ret, char ret_error[CONFIG_ERROR_SIZE])
{
	char *text = NULL;
	size_t size = 0;
	ssize_t got = 0;
	int err = ERR_SYSTEM;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		err = errno == ENOENT ? ERR_UNKNOWN : ERR_SYSTEM;
		snprintf(ret_error, CONFIG_ERROR_SIZE, "the configuration %s cannot be read: %s",
			path, strerror(errno));
		return err;
	}
	text = malloc(CONFIG_FILE_MAX + 1);
	while (text && size <= CONFIG_FILE_MAX &&
		(got = read(fd, text + size, CONFIG_FILE_MAX + 1 - size)) > 0)
		size += (size_t)got;
	if (!text || got < 0) {
		snprintf(ret_error, CONFIG_ERROR_SIZE, "the configuration %s cannot be read: %s",
			path, strerror(errno));
	} else if (size > CONFIG_FILE_MAX) {
		snprintf(ret_error, CONFIG_ERROR_SIZE,
			"%s: larger than %d bytes: this is no configuration file", path,
			CONFIG_FILE_MAX);
		err = ERR_MALFORMED;
	} else {
		err = config_parse(path, text, size, ret, ret_error);
	}
	free(text);
	close(fd);
	return err;
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
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *setting = &settings[i];

		if (!setting->at_restart)
			memcpy((char *)config + setting->offset,
				(const char *)from + setting->offset, setting->size);
	}
}

void config_each_needing_restart(const struct config *before, const struct config *after,
	void (*each)(const char *section, const char *key, void *arg), void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *setting = &settings[i];

		if (setting->at_restart &&
			memcmp((const char *)before + setting->offset,
				(const char *)after + setting->offset, setting->size))
			each(setting->section, setting->key, arg);
	}
}
