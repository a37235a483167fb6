/* The treap against a sorted array: the same order and the same answers, whatever goes in and out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/replica/order.h"

#define COUNT 500

struct item {
	struct record record;
	struct order_node node;
	bool in;
};

static struct item items[COUNT]; /* sorted by (stamp, hash) */
static struct rng rng;

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->record.stamp != y->record.stamp)
		return x->record.stamp < y->record.stamp ? -1 : 1;
	return memcmp(&x->record.hash, &y->record.hash, sizeof(struct hash));
}

static int make_items(void **state)
{
	(void)state;
	rng_init(&rng, (const uint8_t[32]){3});
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < COUNT; i++) {
		items[i].record.stamp = 1 + rng_below(&rng, COUNT / 3); /* some are equal */
		rng_bytes(&rng, &items[i].record.hash, sizeof(struct hash));
	}
	qsort(items, COUNT, sizeof(*items), compare_items);
	for (size_t i = 0; i < COUNT; i++)
		items[i].node =
			(struct order_node){.priority = rng_u64(&rng), .record = &items[i].record};
	return 0;
}

static struct order_node *first_in(size_t from)
{
	for (size_t i = from; i < COUNT; i++) {
		if (items[i].in)
			return &items[i].node;
	}
	return NULL;
}

static struct order_node *last_in(void)
{
	for (size_t i = COUNT; i-- > 0;) {
		if (items[i].in)
			return &items[i].node;
	}
	return NULL;
}

static void check_all(const struct order *order)
{
	static const struct hash lowest;

	assert_ptr_equal(order_first(order), first_in(0));
	assert_ptr_equal(order_last(order), last_in());
	for (size_t i = 0; i < COUNT; i++) {
		const struct record *record = &items[i].record;

		assert_ptr_equal(order_seek(order, record->stamp, &record->hash), first_in(i));
		assert_ptr_equal(order_after(order, record->stamp, &record->hash), first_in(i + 1));
	}
	assert_ptr_equal(order_seek(order, 0, &lowest), first_in(0));
	assert_null(order_seek(order, UINT64_MAX, &lowest));
}

static void it_agrees_with_a_sorted_array(void **state)
{
	(void)state;
	struct order order = {0};

	check_all(&order);
	for (int step = 0; step < 3000; step++) {
		struct item *item = &items[rng_below(&rng, COUNT)];

		if (item->in)
			order_remove(&order, &item->node);
		else
			order_add(&order, &item->node);
		item->in = !item->in;
		if (step % 100 == 0)
			check_all(&order);
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (items[i].in)
			order_remove(&order, &items[i].node);
	}
	assert_null(order.root);
}

static size_t depth(const struct order_node *node)
{
	if (!node)
		return 0;
	size_t left = depth(node->left), right = depth(node->right);

	return 1 + (left > right ? left : right);
}

/* The expected depth of 500 is about 20; sorted input would make a list of a plain tree. */
static void sorted_input_does_not_make_a_list(void **state)
{
	(void)state;
	struct order order = {0};

	for (size_t i = 0; i < COUNT; i++)
		order_add(&order, &items[i].node);
	assert_in_range(depth(order.root), 9, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_agrees_with_a_sorted_array, make_items),
		cmocka_unit_test_setup(sorted_input_does_not_make_a_list, make_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
