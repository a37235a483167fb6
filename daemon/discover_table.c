#include "daemon/discover_table.h"

struct discover_row *discover_table_find(
	struct discover_table *table, const char *instance, uint32_t ifindex, uint8_t family)
{
	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++) {
		struct discover_row *row = &table->rows[i];

		if (row->used && row->ifindex == ifindex && row->family == family &&
			strcmp(row->instance, instance) == 0)
			return row;
	}
	return NULL;
}

static size_t count_ours(const struct discover_table *table)
{
	size_t count = 0;

	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++)
		count += table->rows[i].used && table->rows[i].ours;
	return count;
}

struct discover_row *discover_table_room(struct discover_table *table, uint32_t random)
{
	bool full = table->count == DISCOVER_ROWS_MAX;
	bool all_ours = full && count_ours(table) == DISCOVER_ROWS_MAX;

	for (size_t i = 0;; i++) {
		struct discover_row *row = &table->rows[(random + i) % DISCOVER_ROWS_MAX];

		if (full ? all_ours || !row->ours : !row->used)
			return row;
	}
}

int discover_table_put(struct discover_table *table, struct discover_row *row, const char *instance,
	uint32_t ifindex, uint8_t family)
{
	size_t size = strlen(instance);

	if (size == 0 || size >= DISCOVER_INSTANCE_SIZE)
		return ERR_INVALID;
	if (row->used)
		table->displaced++;
	else
		table->count++;
	*row = (struct discover_row){.used = true, .ifindex = ifindex, .family = family};
	memcpy(row->instance, instance, size);
	return 0;
}

void discover_table_remove(struct discover_table *table, struct discover_row *row)
{
	*row = (struct discover_row){.used = false};
	table->count--;
}

bool discover_table_judge(struct discover_table *table, const struct id *mesh)
{
	bool changed = false;

	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++) {
		struct discover_row *row = &table->rows[i];
		bool ours =
			row->used && row->resolved && mesh && discover_txt_is_of(&row->txt, mesh);

		changed |= ours != row->ours;
		row->ours = ours;
	}
	return changed;
}
