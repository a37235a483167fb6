/* The configuration file: INI. A file with anything wrong in it is refused whole. */
#ifndef MESHD_DAEMON_CONFIG_FILE_H
#define MESHD_DAEMON_CONFIG_FILE_H

#include "daemon/config.h"

#define CONFIG_FILE_LINE_MAX   1024	   /* characters of one line */
#define CONFIG_FILE_SIZE_MAX   (64 * 1024) /* bytes; a real one has a few hundred */
#define CONFIG_FILE_ERROR_SIZE 640

/* The text of a whole file. ERR_MALFORMED, with the first thing that is wrong, its place and what
 * is allowed there, as one line in ret_error. source names the file in it. */
int config_file_parse(const char *source, const char *text, size_t size, struct config *ret,
	char ret_error[CONFIG_FILE_ERROR_SIZE]) MUST_CHECK;
/* Where there is no such file, every setting has its default; ERR_UNKNOWN if there must be one.
 * ERR_SYSTEM when it cannot be read; else as config_file_parse. */
int config_file_read(const char *path, bool must_exist, struct config *ret,
	char ret_error[CONFIG_FILE_ERROR_SIZE]) MUST_CHECK;

#endif
