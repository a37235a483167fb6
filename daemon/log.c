#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gossip/base/text.h"

/* One format string, and how often it was used since `since_ms`. */
struct place {
	const char *format;
	int64_t since_ms;
	unsigned lines, left_out;
};

static struct {
	enum config_level level;
	bool journal;
	struct place places[LOG_PLACES_MAX];
	void (*write_line)(const char *line, void *arg);
	int64_t (*now_ms)(void);
	void *arg;
} logger = {.level = CONFIG_LEVEL_INFO};

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* JOURNAL_STREAM names the journal's own pipe as device:inode; it is inherited by programs whose
 * stderr is another one (systemd.exec(5)). */
bool log_goes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

void log_init(enum config_level level)
{
	logger.level = level;
	logger.journal =
		log_goes_to_journal() ||
		(!getenv("JOURNAL_STREAM") && getenv("INVOCATION_ID") && !isatty(STDERR_FILENO));
}

void log_set_level(enum config_level level)
{
	logger.level = level;
}

bool log_enabled(enum config_level level)
{
	return level <= logger.level;
}

void log_capture(
	void (*write_line)(const char *line, void *arg), int64_t (*now_ms)(void), void *arg)
{
	logger.write_line = write_line;
	logger.now_ms = now_ms;
	logger.arg = arg;
	memset(logger.places, 0, sizeof(logger.places));
}

/* Whether this line is to be left out; *ret_left_out is how many were before it. */
static bool repeated(const char *format, unsigned *ret_left_out)
{
	int64_t now_ms = logger.now_ms ? logger.now_ms() : monotonic_ms();
	struct place *place = &logger.places[0];

	*ret_left_out = 0;
	for (size_t i = 0; i < LOG_PLACES_MAX; i++) {
		struct place *at = &logger.places[i];

		if (at->format == format) {
			place = at;
			break;
		}
		if (at->since_ms < place->since_ms || !at->format)
			place = at; /* the oldest makes room */
		if (!at->format)
			break;
	}
	if (place->format != format) {
		*place = (struct place){.format = format, .since_ms = now_ms};
	} else if (now_ms - place->since_ms >= LOG_REPEAT_MS) {
		*ret_left_out = place->left_out;
		*place = (struct place){.format = format, .since_ms = now_ms};
	}
	if (place->lines >= LOG_REPEAT_BURST) {
		place->left_out++;
		return true;
	}
	place->lines++;
	return false;
}

static void write_line(enum config_level level, const char *text)
{
	/* sd-daemon(3): SD_ERR, SD_WARNING, SD_INFO, SD_DEBUG */
	static const char priorities[] = {'3', '4', '6', '7'};
	static const char *const labels[] = {"error", "warn", "info", "debug"};
	char time[TEXT_TIME_SIZE];
	char line[LOG_LINE_MAX + 64];
	struct timespec now;
	int size;

	if (logger.write_line) {
		logger.write_line(text, logger.arg);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	if (logger.journal)
		size = snprintf(line, sizeof(line), "<%c>%s\n", priorities[level], text);
	else
		size = snprintf(line, sizeof(line), "%s %-5s %s\n",
			text_time((wtime_t){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000},
				time),
			labels[level], text);
	/* One write a line, so that lines of two processes do not mix. Where it cannot be written
	 * there is nobody to tell. */
	if (write(STDERR_FILENO, line, (size_t)size) < 0)
		return;
}

void log_line(enum config_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	unsigned left_out = 0;
	va_list args;

	if (!log_enabled(level))
		return;
	if (level != CONFIG_LEVEL_DEBUG && repeated(format, &left_out))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	}
	write_line(level, text);
	if (left_out) {
		snprintf(text, sizeof(text), "(%u more lines like the last were left out)",
			left_out);
		write_line(level, text);
	}
}
