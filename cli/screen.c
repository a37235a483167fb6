#include "cli/screen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const codes[] = {
	[SCREEN_PLAIN] = "",
	[SCREEN_GOOD] = "32",
	[SCREEN_WARN] = "33",
	[SCREEN_BAD] = "31",
	[SCREEN_DIM] = "2",
	[SCREEN_BOLD] = "1",
};

void screen_init(struct screen *screen, FILE *out)
{
	const char *no_color = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
	const char *term = getenv("TERM");
	struct winsize size = {0};

	*screen = (struct screen){.out = out, .terminal = isatty(fileno(out))};
	if (!screen->terminal)
		return;
	screen->colour = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0) {
		screen->width = size.ws_col;
		screen->height = size.ws_row;
	}
}

void screen_put(const struct screen *screen, enum screen_tint tint, const char *text)
{
	if (screen->colour && *codes[tint])
		fprintf(screen->out, "\033[%sm%s\033[0m", codes[tint], text);
	else
		fputs(text, screen->out);
}

/* Control characters of both sets, line and paragraph separators, and whatever turns the direction
 * of writing (Unicode TR 9) or has no width. */
static bool harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

/* The length of the character at text, and the character; 1 and U+FFFD for what is not UTF-8. */
static size_t next_char(const char *text, uint32_t *ret)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t size = *at < 0x80       ? 1
		      : *at >> 5 == 6  ? 2
		      : *at >> 4 == 14 ? 3
		      : *at >> 3 == 30 ? 4
				       : 0;
	uint32_t c = size == 1 ? *at : *at & (0x7f >> size);

	for (size_t i = 1; i < size; i++) {
		if (at[i] >> 6 != 2)
			size = 0;
		else
			c = c << 6 | (at[i] & 0x3f);
	}
	*ret = size ? c : 0xfffd;
	return size ? size : 1;
}

void screen_clean(char *text)
{
	char *to = text;

	while (*text) {
		uint32_t c;
		size_t size = next_char(text, &c);

		if (harmful(c) || c == 0xfffd) {
			*to++ = '?';
		} else {
			memmove(to, text, size);
			to += size;
		}
		text += size;
	}
	*to = '\0';
}

size_t screen_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((uint8_t)*text & 0xc0) != 0x80;
	return columns;
}
