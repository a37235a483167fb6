/*
 * The daemon's log: one line a message on stderr. Started by systemd, lines bear the journal's
 * `<N>` priorities (sd-daemon(3)); else the time. A message repeated without end is thinned out and
 * counted, so that no fault can fill a disk.
 */
#ifndef MESHD_DAEMON_LOG_H
#define MESHD_DAEMON_LOG_H

#include "daemon/config.h"

#define LOG_LINE_MAX	 1024 /* bytes; the rest is cut off */
#define LOG_REPEAT_MS	 5000 /* lines are counted over this long */
#define LOG_REPEAT_BURST 50   /* of one place in the code in that time; others are left out */
#define LOG_PLACES_MAX	 64   /* places in the code watched at once */

/* Looks at the environment for systemd. Before it, lines bear the time. */
void log_init(enum config_level level);
/* Whether stderr is systemd's own stream, which stays open for whoever holds it. */
bool log_goes_to_journal(void);
void log_set_level(enum config_level level);
bool log_enabled(enum config_level level);
/* Where lines go instead of stderr; NULL: back to stderr. now_ms is the monotonic clock that
 * repeats are counted by. For tests. */
void log_capture(
	void (*write_line)(const char *line, void *arg), int64_t (*now_ms)(void), void *arg);

/* format identifies the place: repeats of one format are what is thinned out. Control characters
 * in the text are replaced. */
void log_line(enum config_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(CONFIG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(CONFIG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(CONFIG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                             \
	do {                                                       \
		if (log_enabled(CONFIG_LEVEL_DEBUG))               \
			log_line(CONFIG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
