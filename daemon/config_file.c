#include "daemon/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config_internal.h"
#include "gossip/base/text.h"

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
	size = snprintf(
		parser->error, CONFIG_FILE_ERROR_SIZE, "%s:%d: ", parser->source, parser->line);
	if (size < 0 || size >= CONFIG_FILE_ERROR_SIZE)
		return 0;
	va_start(args, format);
	vsnprintf(parser->error + size, CONFIG_FILE_ERROR_SIZE - size, format, args);
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
	for (size_t i = 0; i < config_setting_count; i++) {
		const char *name = section ? config_settings[i].key : config_settings[i].section;

		if ((section && strcmp(config_settings[i].section, section)) ||
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
	for (size_t i = 0; i < config_setting_count; i++) {
		if (!strcmp(config_settings[i].section, section))
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
	const struct config_setting *setting = NULL;
	char names[192];

	if (parser->error_line)
		return 0;
	if (!*section)
		return refuse(parser, "%.64s stands before the first [section]", key);
	if (!section_known(section))
		return refuse_section(parser, section);
	for (size_t i = 0; i < config_setting_count; i++) {
		if (!strcmp(config_settings[i].section, section) &&
			!strcmp(config_settings[i].key, key))
			setting = &config_settings[i];
	}
	if (!setting)
		return refuse(parser, "unknown key %.64s in [%s]; there are: %s", key, section,
			list_names(section, names, sizeof(names)));
	if (parser->seen & UINT64_C(1) << (setting - config_settings))
		return refuse(parser, "[%s] %s is set a second time", section, key);
	parser->seen |= UINT64_C(1) << (setting - config_settings);

	memset((char *)&parser->config + setting->offset, 0, setting->size);
	if (!text_utf8_valid(value, strlen(value)) ||
		setting->parse(value, (char *)&parser->config + setting->offset))
		return refuse(parser, "[%s] %s = %.100s: not allowed; it may be %s", section, key,
			value, setting->allowed);
	if (setting->offset == offsetof(struct config, listen) ||
		setting->offset == offsetof(struct config, wireguard_port))
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
	if (size > CONFIG_FILE_LINE_MAX || size + 2 > (size_t)capacity) {
		refuse(parser, "longer than %d characters", CONFIG_FILE_LINE_MAX);
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

int config_file_parse(const char *source, const char *text, size_t size, struct config *ret,
	char ret_error[CONFIG_FILE_ERROR_SIZE])
{
	char error[CONFIG_FILE_ERROR_SIZE];
	struct parser parser = {.source = source, .at = text, .end = text + size, .error = error};
	int line;

	config_defaults(&parser.config);
	ini_max_line = CONFIG_FILE_LINE_MAX + 4;
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

int config_file_read(const char *path, bool must_exist, struct config *ret,
	char ret_error[CONFIG_FILE_ERROR_SIZE])
{
	char *text = NULL;
	size_t size = 0;
	ssize_t got = 0;
	int err = ERR_SYSTEM;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && !must_exist) {
		config_defaults(ret);
		return 0;
	}
	if (fd < 0) {
		err = errno == ENOENT ? ERR_UNKNOWN : ERR_SYSTEM;
		snprintf(ret_error, CONFIG_FILE_ERROR_SIZE,
			"the configuration %s cannot be read: %s", path, strerror(errno));
		return err;
	}
	text = malloc(CONFIG_FILE_SIZE_MAX + 1);
	while (text && size <= CONFIG_FILE_SIZE_MAX &&
		(got = read(fd, text + size, CONFIG_FILE_SIZE_MAX + 1 - size)) > 0)
		size += (size_t)got;
	if (!text || got < 0) {
		snprintf(ret_error, CONFIG_FILE_ERROR_SIZE,
			"the configuration %s cannot be read: %s", path, strerror(errno));
	} else if (size > CONFIG_FILE_SIZE_MAX) {
		snprintf(ret_error, CONFIG_FILE_ERROR_SIZE,
			"%s: larger than %d bytes: this is no configuration file", path,
			CONFIG_FILE_SIZE_MAX);
		err = ERR_MALFORMED;
	} else {
		err = config_file_parse(path, text, size, ret, ret_error);
	}
	free(text);
	close(fd);
	return err;
}
