/* The table of settings: config.c has it, config_file.c reads files by it. */
#ifndef MESHD_DAEMON_CONFIG_INTERNAL_H
#define MESHD_DAEMON_CONFIG_INTERNAL_H

#include "daemon/config.h"

#define CONFIG_SETTINGS_MAX 64 /* a file's reader has a bit for each */

struct config_setting {
	const char *section, *key;
	const char *initial; /* the default, as it would stand in the file */
	const char *allowed; /* for people */
	bool at_restart;     /* a reload does not change it */
	size_t offset, size;
	/* ret points to zeroed memory of the field's size; anything but 0 refuses the value. */
	int (*parse)(const char *value, void *ret);
};

extern const struct config_setting config_settings[];
extern const size_t config_setting_count; /* at most CONFIG_SETTINGS_MAX */

#endif
