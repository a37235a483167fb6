#include "gossip/replica/waiting.h"

#include <assert.h>

_Static_assert(RECORD_SIZE_MAX <= STORE_WAITING_SIZE_MAX, "every record can wait");

struct record *waiting_take(struct waiting *waiting, size_t index)
{
	struct record **at = &waiting->records[index], *record = *at;

	assert(index < waiting->count);
	waiting->count--;
	waiting->size_bytes -= record->size;
	memmove(at, at + 1, (waiting->count - index) * sizeof(*at));
	return record;
}

void waiting_put(struct waiting *waiting, struct record *record)
{
	for (size_t i = 0; i < waiting->count; i++) {
		if (record_compare(waiting->records[i], record) == 0)
			return;
	}
	while (waiting->count == STORE_WAITING_MAX ||
		waiting->size_bytes + record->size > STORE_WAITING_SIZE_MAX)
		record_unref(waiting_take(waiting, 0));
	waiting->records[waiting->count++] = record_ref(record);
	waiting->size_bytes += record->size;
}

void waiting_done(struct waiting *waiting)
{
	while (waiting->count)
		record_unref(waiting_take(waiting, waiting->count - 1));
}
