/*
 * What it costs to find that two stores differ in one record: time of the processor, and bytes.
 *
 *	bench-reconcile [RECORDS...]		10,000 and 200,000 if none is given
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gossip/base/rng.h"
#include "gossip/replica/reconcile.h"

#define AUTHORS	    64
#define MESSAGE_MAX 1080
#define MOST	    250000 /* below the quotas of AUTHORS */
#define TIMES	    5

static const struct id mesh = {{1}};

/* The message that goes to and fro: one at a time is enough for one difference. */
struct exchange {
	uint8_t bytes[MESSAGE_MAX];
	size_t size, sent, messages;
	struct record *lacking;
};

static void check(int err)
{
	if (err) {
		fprintf(stderr, "%s\n", err_text(err));
		exit(1);
	}
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct record *make(struct rng *rng, size_t i)
{
	const struct sig nobody = {{0}};
	struct id author = {{(uint8_t)(2 + i % AUTHORS)}};
	struct record_draft draft = {.type = (enum record_type)77,
		.key = &i,
		.key_size = sizeof(i),
		.stamp = (i * 60000 + rng_below(rng, 60000)) << 16};
	struct record *record;

	check(record_assemble(&mesh, &author, &draft, &nobody, &record));
	return record;
}

static int take_message(void *context, const void *bytes, size_t size)
{
	struct exchange *e = context;

	memcpy(e->bytes, bytes, size);
	e->size = size;
	e->sent += size;
	e->messages++;
	return 0;
}

static int take_record(void *context, struct record *record)
{
	struct exchange *e = context;

	e->lacking = record;
	return 0;
}

static void measure(struct store *a, struct store *b)
{
	struct exchange e = {.size = 0};
	struct reconcile_sink sink = {.message_max = MESSAGE_MAX,
		.message = take_message,
		.lacking = take_record,
		.context = &e};
	uint8_t key[RECONCILE_KEY_SIZE] = {7};
	double began = now_ms(), first, compared;

	check(reconcile_begin(a, key, &sink));
	first = now_ms();
	check(reconcile_answer(b, e.bytes, e.size, &sink));
	compared = now_ms();
	while (!e.lacking) {
		uint8_t bytes[MESSAGE_MAX];
		size_t size = e.size;

		memcpy(bytes, e.bytes, size);
		check(reconcile_answer(e.messages % 2 ? b : a, bytes, size, &sink));
	}
	printf("first message %7.2f ms, its answer %7.2f ms, the rest %5.2f ms;"
	       " %zu messages of %zu bytes in all\n",
		first - began, compared - first, now_ms() - compared, e.messages, e.sent);
}

static void run(size_t count)
{
	struct store *a, *b;
	struct rng rng;

	rng_init(&rng, mesh.b);
	check(store_new(&mesh, &rng, NULL, NULL, &a));
	check(store_new(&mesh, &rng, NULL, NULL, &b));
	for (size_t i = 0; i < count; i++) {
		struct record *record = make(&rng, i);

		check(store_restore(a, record));
		if (i != count / 3)
			check(store_restore(b, record));
		record_unref(record);
	}
	printf("1 of %zu records:\n", count);
	for (int i = 0; i < TIMES; i++)
		measure(a, b);
	store_free(a);
	store_free(b);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		run(10000);
		run(200000);
	}
	for (int i = 1; i < argc; i++) {
		size_t count = strtoul(argv[i], NULL, 10);

		if (count < 3 || count > MOST) {
			fprintf(stderr, "records: 3 to %d\n", MOST);
			return 2;
		}
		run(count);
	}
	return 0;
}
