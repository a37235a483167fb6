/* Cells in rows, printed in aligned columns two spaces apart. */
#ifndef MESHD_CLI_TABLE_H
#define MESHD_CLI_TABLE_H

#include "cli/screen.h"

#define TABLE_COLUMNS_MAX 12

struct table_cell {
	char *text;
	enum screen_tint tint;
};

struct table {
	const char *align; /* a letter a column: 'l' or 'r' */
	size_t columns;
	struct table_cell *cells;
	size_t count; /* of cells, row by row */
};

void table_init(struct table *table, const char *align);
void table_done(struct table *table);
void table_add(struct table *table, enum screen_tint tint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A row of headings, separated by '|'. */
void table_heading(struct table *table, const char *headings);
size_t table_width(const struct table *table); /* columns of the screen that it takes */
void table_print(const struct table *table, const struct screen *screen);

#endif
