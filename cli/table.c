#include "cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"

#define GAP 2 /* spaces between columns */

void table_init(struct table *table, const char *align)
{
	*table = (struct table){.align = align, .columns = strlen(align)};
	assert(table->columns > 0 && table->columns <= TABLE_COLUMNS_MAX);
}

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct table){0};
}

static void add(struct table *table, enum screen_tint tint, char *text)
{
	table->cells = memory_grow(table->cells, table->count + 1, sizeof(*table->cells));
	table->cells[table->count++] = (struct table_cell){text, tint};
}

void table_add(struct table *table, enum screen_tint tint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(table, tint, memory_vformat(format, args));
	va_end(args);
}

void table_heading(struct table *table, const char *headings)
{
	for (;;) {
		size_t size = strcspn(headings, "|");

		add(table, SCREEN_BOLD, memory_check(strndup(headings, size)));
		if (!headings[size])
			return;
		headings += size + 1;
	}
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
	memset(widths, 0, TABLE_COLUMNS_MAX * sizeof(*widths));
	for (size_t i = 0; i < table->count; i++) {
		size_t width = screen_columns(table->cells[i].text);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
}

size_t table_width(const struct table *table)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t sum = GAP * (table->columns - 1);

	measure(table, widths);
	for (size_t i = 0; i < table->columns; i++)
		sum += widths[i];
	return sum;
}

void table_print(const struct table *table, const struct screen *screen)
{
	size_t widths[TABLE_COLUMNS_MAX];

	assert(table->count % table->columns == 0);
	measure(table, widths);
	for (size_t i = 0; i < table->count; i++) {
		const struct table_cell *cell = &table->cells[i];
		size_t column = i % table->columns;
		bool last = column + 1 == table->columns;
		int pad = (int)(widths[column] - screen_columns(cell->text));

		if (table->align[column] == 'r')
			fprintf(screen->out, "%*s", pad, "");
		screen_put(screen, cell->tint, cell->text);
		if (last)
			fputc('\n', screen->out);
		else
			fprintf(screen->out, "%*s", GAP + (table->align[column] == 'r' ? 0 : pad),
				"");
	}
}
