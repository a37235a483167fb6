/*
 * The terminal: how wide it is, whether it wants colours, and what may be written to it. Names,
 * reasons and errors come from other people's machines; what could move the cursor or turn the
 * direction of writing never reaches the terminal.
 */
#ifndef MESHD_CLI_SCREEN_H
#define MESHD_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct screen {
	FILE *out;
	bool terminal, colour;
	unsigned width, height; /* columns and lines; 0: not a terminal, no limit */
};

enum screen_tint { SCREEN_PLAIN, SCREEN_GOOD, SCREEN_WARN, SCREEN_BAD, SCREEN_DIM, SCREEN_BOLD };

void screen_init(struct screen *screen, FILE *out); /* looks at the terminal and NO_COLOR */
void screen_put(const struct screen *screen, enum screen_tint tint, const char *text);
/* Text in UTF-8 made harmless in place: it never grows. */
void screen_clean(char *text);
size_t screen_columns(const char *text); /* characters, each a column wide */

#endif
