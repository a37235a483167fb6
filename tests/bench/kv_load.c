/*
 * Writers and watchers of a key-value store, with a clock.
 *
 *	bench-kv_load meshd|etcd put SECONDS ADDRESS WRITERS
 *	bench-kv_load meshd|etcd watch COUNT ADDRESS ADDRESS...
 *
 * put: so many writers, each with a connection of its own on which it waits for
 *an answer before it puts again. watch: one writer at the first address, which
 *puts at rest, one at a time; and a watcher at each of the others. Prints, in
 *microseconds: median p99 max; then for put the writes per second, and for
 *watch median p99 max of the writer's own answer. A write counts as seen when
 * every watcher has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "gossip/base/types.h"
#include "tests/support/kv_client.h"

#define CLIENTS_MAX 64
#define SAMPLES_MAX (1 << 20)
#define VALUE_SIZE  100
#define KEYS	    2000   /* written over and over; they fit the quota of any member */
#define WARM_S	    1	   /* before measuring */
#define REST_US	    5000   /* between two writes that are watched */
#define START_US    500000 /* for the watches to have begun */
#define SEEN_MS	    10000  /* for a watcher: then it counts as lost */

struct writer {
	struct kv_client client;
	int64_t began_ns;
};

static struct writer writers[CLIENTS_MAX];
static struct kv_client watchers[CLIENTS_MAX];
static double samples[SAMPLES_MAX], answers[SAMPLES_MAX];

static int64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return a < b ? -1 : a > b;
}

static void print_spread(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	printf("%.1f %.1f %.1f ", values[count / 2], values[count * 99 / 100], values[count - 1]);
}

static void listen_to(int poller, int fd, void *about)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = about};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
		kv_client_fail("epoll");
}

static int wait_on(int poller, struct epoll_event events[CLIENTS_MAX], int timeout_ms)
{
	int count;

	do
		count = epoll_wait(poller, events, CLIENTS_MAX, timeout_ms);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		kv_client_fail("epoll");
	return count;
}

static void put_next(struct writer *writer)
{
	static uint64_t number;
	char key[32], value[VALUE_SIZE + 1];

	snprintf(key, sizeof(key), "load/%05u", (unsigned)(number % KEYS));
	snprintf(value, sizeof(value), "%0*llu", VALUE_SIZE, (unsigned long long)number++);
	writer->began_ns = now_ns();
	writer->client.kind->put(&writer->client, key, value, VALUE_SIZE);
}

static void load(
	const struct kv_client_kind *kind, int seconds, int count, int addresses, char **address)
{
	int64_t start_ns = now_ns() + WARM_S * INT64_C(1000000000);
	int64_t end_ns = start_ns + seconds * INT64_C(1000000000), at_ns;
	struct epoll_event events[CLIENTS_MAX];
	int poller = epoll_create1(EPOLL_CLOEXEC);
	size_t done = 0;

	for (int i = 0; i < count; i++) {
		kv_client_open(&writers[i].client, kind, address[i % addresses]);
		listen_to(poller, writers[i].client.fd, &writers[i]);
		put_next(&writers[i]);
	}
	do {
		int ready = wait_on(poller, events, -1);

		at_ns = now_ns();
		for (int i = 0; i < ready; i++) {
			struct writer *writer = events[i].data.ptr;

			if (!kv_client_read(&writer->client, NULL, NULL))
				continue;
			if (at_ns >= start_ns && done < SAMPLES_MAX)
				samples[done++] = (double)(now_ns() - writer->began_ns) / 1000;
			put_next(writer);
		}
	} while (at_ns < end_ns);
	print_spread(samples, done);
	printf("%.0f\n", (double)done / ((double)(at_ns - start_ns) / 1e9));
	close(poller);
}

/* Until each of them has seen it and the writer has its answer; the times of
 * both. */
static void write_and_see(int poller, struct writer *writer, int count, int number,
	double *ret_seen, double *ret_answer)
{
	struct epoll_event events[CLIENTS_MAX];
	char key[32], value[VALUE_SIZE + 1], marker[32];
	bool seen[CLIENTS_MAX] = {false}, answered = false;
	int missing = count;

	snprintf(marker, sizeof(marker), "#%08d#", number);
	snprintf(key, sizeof(key), "seen/%03d", number % 100);
	snprintf(value, sizeof(value), "%-*s", VALUE_SIZE, marker);
	writer->began_ns = now_ns();
	writer->client.kind->put(&writer->client, key, value, VALUE_SIZE);
	while (missing || !answered) {
		int ready = wait_on(poller, events, SEEN_MS);

		if (ready == 0)
			kv_client_fail("a write was not seen");
		for (int i = 0; i < ready; i++) {
			struct kv_client *client = events[i].data.ptr;
			bool here = false;
			size_t which;

			if (client == &writer->client) {
				answered |= kv_client_read(client, NULL, NULL);
				*ret_answer = (double)(now_ns() - writer->began_ns) / 1000;
				continue;
			}
			kv_client_read(client, marker, &here);
			which = (size_t)(client - watchers);
			if (!here || seen[which])
				continue;
			seen[which] = true;
			missing--;
			*ret_seen = (double)(now_ns() - writer->began_ns) / 1000;
		}
	}
}

static void see(const struct kv_client_kind *kind, int writes, int addresses, char **address)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), warm = writes / 10;

	kv_client_open(&writers[0].client, kind, address[0]);
	listen_to(poller, writers[0].client.fd, &writers[0].client);
	for (int i = 0; i < addresses - 1; i++) {
		kv_client_open(&watchers[i], kind, address[1 + i]);
		listen_to(poller, watchers[i].fd, &watchers[i]);
		kind->watch(&watchers[i], "seen/");
	}
	usleep(START_US);
	for (int i = -warm; i < writes; i++) {
		int at = i < 0 ? 0 : i;

		usleep(REST_US);
		write_and_see(
			poller, &writers[0], addresses - 1, i + warm, &samples[at], &answers[at]);
	}
	print_spread(samples, (size_t)writes);
	print_spread(answers, (size_t)writes);
	putchar('\n');
	close(poller);
}

int main(int argc, char **argv)
{
	const struct kv_client_kind *kind;
	int number;

	if (argc < 6) {
		fprintf(stderr, "usage: see the head of kv_load.c\n");
		return 2;
	}
	kind = strcmp(argv[1], "etcd") == 0 ? &kv_client_etcd : &kv_client_meshd;
	number = atoi(argv[3]);
	if (strcmp(argv[2], "put") == 0 && atoi(argv[4]) >= 1 && atoi(argv[4]) <= CLIENTS_MAX)
		load(kind, number, atoi(argv[4]), argc - 5, argv + 5);
	else if (strcmp(argv[2], "watch") == 0 && argc - 5 <= CLIENTS_MAX && number <= SAMPLES_MAX)
		see(kind, number, argc - 4, argv + 4);
	else
		return 2;
	return 0;
}
