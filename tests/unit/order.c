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

static struct item items[COUNT]; /* sorted by class, stamp and hash */
static struct rng rng;

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->record.type != y->record.type)
		return order_class(x->record.type) < order_class(y->record.type) ? -1 : 1;
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
		static const uint16_t types[] = {RECORD_VALUE, RECORD_REVOCATION, RECORD_ADMISSION};

		items[i].record.type = types[rng_below(&rng, ARRAY_SIZE(types))];
		items[i].record.stamp = 1 + rng_below(&rng, COUNT / 6); /* some are equal */
		rng_bytes(&rng, &items[i].record.hash, sizeof(struct hash));
	}
	qsort(items, COUNT, sizeof(*items), compare_items);
	for (size_t i = 0; i < COUNT; i++)
		items[i].node = (struct order_node){
			.tree.priority = (uint32_t)rng_u64(&rng), .record = &items[i].record};
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

static size_t count_in(size_t from, size_t to)
{
	size_t count = 0;

	for (size_t i = from; i < to; i++)
		count += items[i].in;
	return count;
}

static int check_next(void *context, struct order_node *node)
{
	struct order_node **next = context;
	const struct item *item;

	assert_ptr_equal(node, *next);
	item = (const struct item *)(const void *)((const char *)node -
						   offsetof(struct item, node));
	*next = first_in((size_t)(item - items) + 1);
	return 0;
}

/* One range between two of the items, whether they are in or not. */
static void check_walk(const struct order *order)
{
	size_t from = rng_below(&rng, COUNT), to = rng_below(&rng, COUNT);
	struct order_key low = order_key(&items[from].record), high = order_key(&items[to].record);
	struct order_node *next = first_in(from);

	assert_int_equal(order_walk(order, &low, &high, check_next, &next), 0);
	assert_ptr_equal(next, first_in(from < to ? to : from));
}

static void check_all(const struct order *order)
{
	const struct order_key start = ORDER_START, end = ORDER_END;

	assert_ptr_equal(order_first(order), first_in(0));
	assert_ptr_equal(order_last(order), last_in());
	for (size_t i = 0; i < COUNT; i++) {
		struct order_key key = order_key(&items[i].record);
		size_t rank = count_in(0, i);

		assert_ptr_equal(order_after(order, &key), first_in(i + 1));
		assert_int_equal(order_rank(order, &key), rank);
		assert_ptr_equal(order_at(order, rank), first_in(i));
		check_walk(order);
	}
	assert_int_equal(order_rank(order, &start), 0);
	assert_int_equal(order_rank(order, &end), count_in(0, COUNT));
	assert_null(order_at(order, count_in(0, COUNT)));
	assert_null(order_after(order, &end));
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
	assert_null(order.tree.root);
}

static size_t depth(const struct treap_node *node)
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
	assert_in_range(depth(order.tree.root), 9, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_agrees_with_a_sorted_array, make_items),
		cmocka_unit_test_setup(sorted_input_does_not_make_a_list, make_items),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
