#include "daemon/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gossip/base/text.h"

/* The lines that a file may have, each once. */
enum line {
	LINE_IDENTITY,
	LINE_WIREGUARD,
	LINE_NEXT,
	LINE_MADE,
	LINE_NEXT_MADE,
	LINE_ROOT,
	LINE_EXPORTED,
	LINE_MESH,
	LINE_LIFE,
	LINES,
};

static const char *const line_names[LINES] = {"identity", "wireguard", "wireguard-next",
	"wireguard-made", "wireguard-next-made", "root", "root-exported", "mesh", "life"};

#define SECONDS_DIGITS_MAX 12 /* 30,000 years */
#define LIFE_DIGITS_MAX	   6  /* a restore an hour for a century; generations have 24 bits */

static int complain(char error[KEYFILE_ERROR_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char error[KEYFILE_ERROR_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, KEYFILE_ERROR_SIZE, format, args);
	va_end(args);
	return err;
}

/* ---- text ---- */

static struct keys *line_keys(struct keyfile *file, enum line line)
{
	switch (line) {
	case LINE_IDENTITY:
		return &file->identity;
	case LINE_WIREGUARD:
		return &file->wireguard;
	case LINE_NEXT:
		return &file->next;
	case LINE_ROOT:
		return &file->root;
	case LINE_MADE:
	case LINE_NEXT_MADE:
	case LINE_EXPORTED:
	case LINE_MESH:
	case LINE_LIFE:
	case LINES:
		break;
	}
	return NULL;
}

static int take_number(const char *value, size_t digits_max, int64_t *ret)
{
	int64_t number = 0;
	size_t size = strlen(value);

	if (size == 0 || size > digits_max || strspn(value, "0123456789") != size)
		return ERR_MALFORMED;
	while (*value)
		number = number * 10 + (*value++ - '0');
	*ret = number;
	return 0;
}

static int take_seconds(const char *value, wtime_t *ret)
{
	int64_t seconds;
	int err = take_number(value, SECONDS_DIGITS_MAX, &seconds);

	if (!err)
		ret->ms = seconds * 1000;
	return err;
}

static int take_life(const char *value, unsigned *ret)
{
	int64_t life;
	int err = take_number(value, LIFE_DIGITS_MAX, &life);

	if (!err)
		*ret = (unsigned)life;
	return err;
}

static int take_value(struct keyfile *file, enum line line, const char *value)
{
	struct keys *keys = line_keys(file, line);
	uint8_t bytes[32];
	int err = 0;

	if (line == LINE_EXPORTED) {
		file->root_exported = true;
		return strcmp(value, "true") ? ERR_MALFORMED : 0;
	}
	if (line == LINE_MADE)
		return take_seconds(value, &file->wireguard_made);
	if (line == LINE_NEXT_MADE)
		return take_seconds(value, &file->next_made);
	if (line == LINE_LIFE)
		return take_life(value, &file->life);
	err = text_parse_key(value, bytes);
	if (!err && keys)
		keys_from_seed(bytes, keys);
	else if (!err)
		memcpy(file->mesh.b, bytes, sizeof(bytes));
	sodium_memzero(bytes, sizeof(bytes));
	return err;
}

/* One line without its end. */
static int take_line(struct keyfile *file, char *text, unsigned *seen)
{
	static const char separator[] = " = ";
	char *value = strstr(text, separator);

	if (!*text || *text == '#')
		return 0;
	if (!value)
		return ERR_MALFORMED;
	*value = '\0';
	value += strlen(separator);
	for (int line = 0; line < LINES; line++) {
		if (strcmp(text, line_names[line]))
			continue;
		if (*seen & 1u << line)
			return ERR_MALFORMED;
		*seen |= 1u << line;
		return take_value(file, (enum line)line, value);
	}
	return ERR_VERSION;
}

int keyfile_parse(char *text, size_t size, struct keyfile *ret, char ret_error[KEYFILE_ERROR_SIZE])
{
	const unsigned needed = 1u << LINE_IDENTITY | 1u << LINE_WIREGUARD;
	char *at = text, *end = text + size, *newline;
	unsigned seen = 0;
	int err;

	if (memchr(text, '\0', size))
		return complain(ret_error, ERR_MALFORMED, "this is no text file");
	for (int number = 1; at < end; number++, at = newline + 1) {
		newline = memchr(at, '\n', end - at);
		if (!newline)
			return complain(ret_error, ERR_MALFORMED, "line %d: cut off", number);
		*newline = '\0';
		err = take_line(ret, at, &seen);
		if (err == ERR_VERSION)
			return complain(ret_error, err,
				"line %d: this meshd does not know what that is", number);
		if (err)
			return complain(ret_error, err,
				"line %d: not a `name = value` that belongs here", number);
	}
	if ((seen & needed) != needed)
		return complain(ret_error, ERR_MALFORMED, "%s is missing",
			line_names[seen & 1u << LINE_IDENTITY ? LINE_WIREGUARD : LINE_IDENTITY]);
	if (ret->root_exported && !(seen & 1u << LINE_ROOT))
		return complain(ret_error, ERR_MALFORMED, "root-exported without root");
	ret->has_next = seen & 1u << LINE_NEXT;
	ret->has_root = seen & 1u << LINE_ROOT;
	ret->has_mesh = seen & 1u << LINE_MESH;
	return 0;
}

static void put_seed(char **at, const char *name, const struct keys *keys)
{
	char text[TEXT_KEY_SIZE];
	uint8_t seed[32];

	keys_seed(keys, seed);
	*at += sprintf(*at, "%s = %s\n", name, text_key(seed, text));
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(text, sizeof(text));
}

static void put_seconds(char **at, const char *name, wtime_t when)
{
	if (when.ms >= 1000)
		*at += sprintf(*at, "%s = %lld\n", name, (long long)when.ms / 1000);
}

size_t keyfile_format(const struct keyfile *file, char text[KEYFILE_SIZE_MAX])
{
	char mesh[TEXT_KEY_SIZE];
	char *at = text;

	at += sprintf(at, "# The secrets of this node. Whoever has them is this node.\n");
	put_seed(&at, line_names[LINE_IDENTITY], &file->identity);
	put_seed(&at, line_names[LINE_WIREGUARD], &file->wireguard);
	put_seconds(&at, line_names[LINE_MADE], file->wireguard_made);
	if (file->has_next) {
		put_seed(&at, line_names[LINE_NEXT], &file->next);
		put_seconds(&at, line_names[LINE_NEXT_MADE], file->next_made);
	}
	if (file->has_root)
		put_seed(&at, line_names[LINE_ROOT], &file->root);
	if (file->has_root && file->root_exported)
		at += sprintf(at, "%s = true\n", line_names[LINE_EXPORTED]);
	if (file->has_mesh)
		at += sprintf(at, "%s = %s\n", line_names[LINE_MESH], text_key(file->mesh.b, mesh));
	if (file->life)
		at += sprintf(at, "%s = %u\n", line_names[LINE_LIFE], file->life);
	return (size_t)(at - text);
}

/* ---- files ---- */

static int write_whole(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t put = write(fd, text, size);

		if (put < 0)
			return ERR_SYSTEM;
		text += put;
		size -= (size_t)put;
	}
	return fsync(fd) ? ERR_SYSTEM : 0;
}

int keyfile_write(const struct keyfile *file, const char *dir, char ret_error[KEYFILE_ERROR_SIZE])
{
	char *text = sodium_malloc(KEYFILE_SIZE_MAX);
	int err = ERR_SYSTEM, fd = -1;
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!text || dir_fd < 0)
		goto out;
	fd = openat(dir_fd, KEYFILE_NAME ".new",
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) || write_whole(fd, text, keyfile_format(file, text)))
		goto out;
	if (renameat(dir_fd, KEYFILE_NAME ".new", dir_fd, KEYFILE_NAME) || fsync(dir_fd))
		goto out;
	err = 0;
out:
	if (err)
		complain(ret_error, err, "%s/" KEYFILE_NAME ": cannot be written: %s", dir,
			strerror(errno));
	if (fd >= 0)
		close(fd);
	if (err && dir_fd >= 0)
		unlinkat(dir_fd, KEYFILE_NAME ".new", 0);
	if (dir_fd >= 0)
		close(dir_fd);
	sodium_free(text);
	return err;
}

void keyfile_fresh(struct keyfile *file)
{
	uint8_t seed[32];

	sodium_memzero(file, sizeof(*file));
	randombytes_buf(seed, sizeof(seed));
	keys_from_seed(seed, &file->identity);
	randombytes_buf(seed, sizeof(seed));
	keys_from_seed(seed, &file->wireguard);
	file->wireguard_made.ms = (int64_t)time(NULL) * 1000;
	sodium_memzero(seed, sizeof(seed));
}

static int check_file(int fd, const char *path, char error[KEYFILE_ERROR_SIZE])
{
	struct stat st;

	if (fstat(fd, &st))
		return complain(error, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain(error, ERR_STATE, "%s is no regular file: remove it", path);
	if (st.st_uid != geteuid())
		return complain(error, ERR_STATE,
			"%s belongs to user %u, but meshd runs as user %u: run it as that user, or "
			"`chown` the file",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 077)
		return complain(error, ERR_STATE,
			"%s can be read by others (mode %04o): its secrets may be known; `chmod "
			"600` "
			"it, or remove it and join anew",
			path, (unsigned)st.st_mode & 07777);
	if (st.st_size > KEYFILE_SIZE_MAX)
		return complain(error, ERR_MALFORMED, "%s is too big to be a key file", path);
	return 0;
}

static int load(int fd, const char *path, struct keyfile *file, char error[KEYFILE_ERROR_SIZE])
{
	char why[KEYFILE_ERROR_SIZE];
	char *text = sodium_malloc(KEYFILE_SIZE_MAX);
	size_t size = 0;
	ssize_t got;
	int err;

	if (!text)
		return complain(error, ERR_NOMEM, "%s: out of memory", path);
	while ((got = read(fd, text + size, KEYFILE_SIZE_MAX - size)) > 0)
		size += (size_t)got;
	if (got < 0) {
		err = complain(error, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	} else {
		err = keyfile_parse(text, size, file, why);
		if (err)
			complain(error, err,
				err == ERR_VERSION
					? "%s: %.200s: a newer meshd wrote it (install "
					  "that one), or somebody changed it"
					: "%s: %.200s; restore it from a backup, or remove it and "
					  "join anew",
				path, why);
	}
	sodium_free(text);
	return err;
}

int keyfile_open(const char *dir, struct keyfile **ret, char ret_error[KEYFILE_ERROR_SIZE])
{
	char path[4096 + sizeof(KEYFILE_NAME)];
	struct keyfile *file = sodium_malloc(sizeof(*file));
	int err, fd;

	if (!file)
		return complain(ret_error, ERR_NOMEM, "out of memory");
	sodium_memzero(file, sizeof(*file));
	snprintf(path, sizeof(path), "%s/" KEYFILE_NAME, dir);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		err = check_file(fd, path, ret_error);
		if (!err)
			err = load(fd, path, file, ret_error);
		close(fd);
	} else if (errno == ENOENT) {
		keyfile_fresh(file);
		err = keyfile_write(file, dir, ret_error);
	} else {
		err = complain(ret_error, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	}
	if (err) {
		keyfile_free(file);
		return err;
	}
	*ret = file;
	return 0;
}

void keyfile_free(struct keyfile *file)
{
	sodium_free(file); /* wipes it */
}
