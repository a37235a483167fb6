/*
 * One changed peer among many: our sync against `wg syncconf` of the same configuration, in turns
 *on the same interface, with a real userspace WireGuard.
 *
 *	bench-wg_sync PEERS ROUNDS		in a network namespace and with a /run of its own
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
#include <sodium.h>

#include "gossip/base/text.h"
#include "wg/wg_sync.h"

#define INTERFACE   "bench0"
#define FILE_BEFORE "/run/before.conf"
#define ROUNDS_MAX  1000
#define START_MS    5000

extern char **environ;

struct bench {
	struct nl *nl;
	struct wg_backend *backend;
	struct wg_sync sync;
	uint32_t peers;
};

static void check(const char *what, int err)
{
	if (err) {
		fprintf(stderr, "%s: %s\n", what, err_text(err));
		exit(1);
	}
}

static mtime_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (mtime_t){time.tv_sec * 1000000LL + time.tv_nsec / 1000};
}

/* As a plan would: from nothing, in order of the keys. `changed` has another keepalive. */
static void build(struct wg_device *want, uint32_t peers, uint32_t changed)
{
	*want = (struct wg_device){.private_key = {8}, .listen_port = 51820};
	want->private_key[31] = 0x40;
	crypto_scalarmult_curve25519_base(want->public_key, want->private_key);
	for (uint32_t i = 0; i < peers; i++) {
		uint8_t key[WG_KEY_SIZE] = {i >> 8, i, [31] = 1};
		struct prefix v4 = {{4, {100, 64 + (i >> 16), i >> 8, i}}, 32};
		struct prefix v6 = {{6, {0xfd, [14] = i >> 8, [15] = i}}, 128};
		struct wg_peer *peer;

		check("peer", wg_device_add_peer(want, key, &peer));
		memset(peer->preshared_key, 0x55, sizeof(peer->preshared_key));
		peer->keepalive_s = i == changed ? 20 : 25;
		check("prefix", wg_peer_add_allowed(peer, &v4));
		check("prefix", wg_peer_add_allowed(peer, &v6));
	}
	check("seal", wg_device_seal(want));
}

static void write_file(const struct wg_device *want, const char *path)
{
	char key[TEXT_KEY_SIZE], psk[TEXT_KEY_SIZE], v4[TEXT_PREFIX_SIZE], v6[TEXT_PREFIX_SIZE];
	FILE *file = fopen(path, "w");

	check(path, file ? 0 : ERR_SYSTEM);
	fprintf(file, "[Interface]\nPrivateKey = %s\nListenPort = %u\n",
		text_key(want->private_key, key), want->listen_port);
	for (uint32_t i = 0; i < want->peer_count; i++) {
		const struct wg_peer *peer = &want->peers[i];

		fprintf(file,
			"[Peer]\nPublicKey = %s\nPresharedKey = %s\nAllowedIPs = %s, %s\n"
			"PersistentKeepalive = %u\n",
			text_key(peer->public_key, key), text_key(peer->preshared_key, psk),
			text_prefix(&peer->allowed[0], v4), text_prefix(&peer->allowed[1], v6),
			peer->keepalive_s);
	}
	check(path, fclose(file) ? ERR_SYSTEM : 0);
}

static void start(struct bench *bench)
{
	struct wg_backend_config config = {.command = "wireguard-go -f %i", .output = -1};
	mtime_t limit = mtime_add_ms(now(), START_MS);

	check("netlink", nl_new(&bench->nl));
	check("backend", wg_backend_new(WG_BACKEND_USERSPACE, bench->nl, INTERFACE, &config,
				 &bench->backend));
	while (wg_backend_step(bench->backend, now()) != 0) {
		check(bench->backend->error, mtime_reached(now(), limit) ? ERR_TIMEOUT : 0);
		usleep(1000);
	}
}

static void syncconf(void)
{
	char name[] = "wg", verb[] = "syncconf", interface[] = INTERFACE, file[] = FILE_BEFORE;
	char *const words[] = {name, verb, interface, file, NULL};
	int status;
	pid_t pid;

	check("wg", posix_spawnp(&pid, words[0], NULL, NULL, words, environ) ? ERR_SYSTEM : 0);
	check("wg", waitpid(pid, &status, 0) == pid && status == 0 ? 0 : ERR_SYSTEM);
}

static void apply(struct bench *bench, const struct wg_device *want, size_t expected)
{
	size_t ops;

	check(bench->backend->error, wg_sync_apply(&bench->sync, bench->backend, want, &ops));
	if (ops != expected) {
		fprintf(stderr, "%zu operations instead of %zu\n", ops, expected);
		exit(1);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(int64_t *us, size_t count)
{
	qsort(us, count, sizeof(*us), compare);
	return (double)us[count / 2] / 1000;
}

static void row(
	const char *what, uint32_t peers, double ours_ms, double theirs_ms, const char *goal)
{
	printf("one changed peer among %u%s | %.2f ms | wg syncconf %.1f ms | %.0fx | %s\n", peers,
		what, ours_ms, theirs_ms, theirs_ms / ours_ms, goal);
}

int main(int argc, char **argv)
{
	static int64_t sync_us[ROUNDS_MAX], whole_us[ROUNDS_MAX], theirs_us[ROUNDS_MAX];
	struct bench bench = {0};
	struct wg_device before, after;
	size_t rounds;

	if (argc != 3 || (rounds = atoi(argv[2])) < 1 || rounds > ROUNDS_MAX || sodium_init() < 0)
		return 2;
	bench.peers = atoi(argv[1]);
	start(&bench);
	build(&before, bench.peers, UINT32_MAX);
	write_file(&before, FILE_BEFORE);
	apply(&bench, &before, bench.peers + 1);
	for (size_t i = 0; i < rounds; i++) {
		mtime_t begin = now(), built;

		build(&after, bench.peers, i * 37 % bench.peers);
		built = now();
		apply(&bench, &after, 1);
		sync_us[i] = mtime_diff_us(now(), built);
		whole_us[i] = mtime_diff_us(now(), begin);
		begin = now();
		syncconf();
		theirs_us[i] = mtime_diff_us(now(), begin);
		/* Both have made one change, there and back; we look at what is there now. */
		check("look", wg_sync_look(&bench.sync, bench.backend));
		apply(&bench, &before, 0);
		wg_device_done(&after);
	}
	row("", bench.peers, median_ms(sync_us, rounds), median_ms(theirs_us, rounds), ">= 20x");
	row(", all that is wanted built anew", bench.peers, median_ms(whole_us, rounds),
		median_ms(theirs_us, rounds), "-");
	check("stop", wg_backend_stop(bench.backend));
	wg_backend_free(bench.backend);
	wg_sync_done(&bench.sync);
	wg_device_done(&before);
	nl_free(bench.nl);
	return 0;
}
