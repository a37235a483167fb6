#include "gossip/replica/quota.h"

#include <stdlib.h>

#include "gossip/record/value.h"

struct quota_limits quota_limits(enum quota_class class, bool large)
{
	static const struct quota_limits limits[] = {
		{QUOTA_RECORDS, QUOTA_SIZE}, {QUOTA_RECORDS_LARGE, QUOTA_SIZE_LARGE}};

	return class == QUOTA_MACS ? (struct quota_limits){QUOTA_MACS_RECORDS, QUOTA_MACS_SIZE}
				   : limits[large];
}

enum quota_class quota_class(const struct record *record)
{
	if (record->type == RECORD_MACS)
		return QUOTA_MACS;
	return value_is_tombstone(record) ? QUOTA_TOMBSTONES : QUOTA_VALUES;
}

void quota_done(struct map *quotas)
{
	struct quota *quota;

	map_each (quotas, at, quota)
		free(quota);
	map_done(quotas);
}

int quota_ensure(struct map *quotas, const struct id *author, struct quota **ret)
{
	struct quota *quota = map_get(quotas, author);

	if (!quota) {
		quota = calloc(1, sizeof(*quota));
		if (!quota)
			return ERR_NOMEM;
		quota->author = *author;
		if (map_put(quotas, &quota->author, quota) != 0) {
			free(quota);
			return ERR_NOMEM;
		}
	}
	*ret = quota;
	return 0;
}

void quota_forget_idle(struct map *quotas, struct quota *quota)
{
	if (quota->banned || quota->graves)
		return;
	for (size_t i = 0; i < QUOTA_CLASSES; i++) {
		if (quota->runs[i].records)
			return;
	}
	map_del(quotas, &quota->author);
	free(quota);
}

void quota_add(struct quota *quota, struct order_node *node)
{
	struct quota_run *run = &quota->runs[quota_class(node->record)];

	order_add(&run->order, node);
	run->records++;
	run->size_bytes += node->record->size;
}

void quota_remove(struct quota *quota, struct order_node *node)
{
	struct quota_run *run = &quota->runs[quota_class(node->record)];

	order_remove(&run->order, node);
	run->records--;
	run->size_bytes -= node->record->size;
}

bool quota_is_full(const struct quota *quota, enum quota_class class)
{
	const struct quota_run *run = quota ? &quota->runs[class] : NULL;
	struct quota_limits limits = quota_limits(class, quota && quota->large);

	return run && (run->records >= limits.records || run->size_bytes >= limits.size_bytes);
}

bool quota_is_beyond(const struct quota *quota, const struct record *record)
{
	enum quota_class class = quota_class(record);

	return quota_is_full(quota, class) &&
	       record_compare(record, order_first(&quota->runs[class].order)->record) < 0;
}

struct order_node *quota_excess(const struct quota *quota)
{
	for (size_t i = 0; i < QUOTA_CLASSES; i++) {
		struct quota_limits limits = quota_limits((enum quota_class)i, quota->large);
		const struct quota_run *run = &quota->runs[i];
		struct order_node *oldest = order_first(&run->order);

		if (oldest && (run->records > limits.records ||
				      run->size_bytes - oldest->record->size >= limits.size_bytes))
			return oldest;
	}
	return NULL;
}
