/*
 * wg/ on its own, as a daemon would drive it, for tests that play the plan and the operator:
 *
 *	netns-wg_drive auto|kernel|userspace INTERFACE
 *
 * Reads commands from stdin, answers each with one line, and between them keeps the interface as it
 * is wanted. At the end of stdin it exits and leaves everything up.
 *
 *	want FILE	what is wanted from now on: lines of `key PRIVATE`, `port N`, `mtu N`,
 *			`address PREFIX`, `route PREFIX SOURCE|-`, and
 *			`peer PUBLIC PSK|- ENDPOINT|- learned|force KEEPALIVE PREFIX...`
 *	show		the state and the last observation as JSON
 *	stop		takes the interface down, and exits
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

#include "gossip/base/text.h"
#include "wg/net_addr.h"
#include "wg/net_link.h"
#include "wg/net_route.h"
#include "wg/wg_sync.h"

#define LOOK_MS	  200
#define LINE_SIZE 65536
#define WANT_MAX  16

struct drive {
	struct nl *nl;
	struct nl_monitor *monitor;
	struct wg_backend *backend;
	struct wg_sync sync;
	struct wg_device want;
	struct net_link_want link;
	struct prefix addresses[WANT_MAX];
	struct net_route_want routes[WANT_MAX];
	size_t address_count, route_count;
	bool wanted;
	size_t ops;	 /* all that were ever needed */
	mtime_t look;	 /* the next one */
	char error[512]; /* the last one; empty while all is well */
};

static mtime_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (mtime_t){time.tv_sec * 1000000LL + time.tv_nsec / 1000};
}

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, err_text(err));
	exit(1);
}

static void check(const char *what, int err)
{
	if (err)
		die(what, err);
}

static void note(struct drive *drive, const char *what, int err, const char *detail)
{
	snprintf(drive->error, sizeof(drive->error), "%s: %s: %s", what, err_text(err), detail);
}

static void want_peer(struct wg_device *want, char **save)
{
	const char *key_text = strtok_r(NULL, " \n", save), *psk = strtok_r(NULL, " \n", save);
	const char *endpoint = strtok_r(NULL, " \n", save), *how = strtok_r(NULL, " \n", save);
	const char *keepalive = strtok_r(NULL, " \n", save), *word;
	uint8_t key[WG_KEY_SIZE];
	struct wg_peer *peer;
	struct prefix prefix;

	if (!keepalive)
		die("peer", ERR_MALFORMED);
	check("public key", text_parse_key(key_text, key));
	check("peer", wg_device_add_peer(want, key, &peer));
	if (psk[0] != '-')
		check("preshared key", text_parse_key(psk, peer->preshared_key));
	if (endpoint[0] != '-')
		check("endpoint", text_parse_endpoint(endpoint, &peer->endpoint));
	peer->endpoint_set = strcmp(how, "force") == 0;
	peer->keepalive_s = atoi(keepalive);
	while ((word = strtok_r(NULL, " \n", save))) {
		check("prefix", text_parse_prefix(word, false, &prefix));
		check("prefix", wg_peer_add_allowed(peer, &prefix));
	}
}

static void want_line(struct drive *drive, struct wg_device *want, char *line)
{
	char *save, *word = strtok_r(line, " \n", &save), *value;
	struct net_route_want *route = &drive->routes[drive->route_count];

	if (strcmp(word, "peer") == 0) {
		want_peer(want, &save);
		return;
	}
	value = strtok_r(NULL, " \n", &save);
	if (!value || drive->address_count == WANT_MAX || drive->route_count == WANT_MAX)
		die(word, ERR_MALFORMED);
	if (strcmp(word, "key") == 0) {
		check("key", text_parse_key(value, want->private_key));
		crypto_scalarmult_curve25519_base(want->public_key, want->private_key);
	} else if (strcmp(word, "port") == 0) {
		want->listen_port = atoi(value);
	} else if (strcmp(word, "mtu") == 0) {
		drive->link.mtu = atoi(value);
	} else if (strcmp(word, "address") == 0) {
		check("address",
			text_parse_prefix(value, true, &drive->addresses[drive->address_count++]));
	} else if (strcmp(word, "route") == 0) {
		check("route", text_parse_prefix(value, false, &route->dst));
		route->src = (struct ip){0};
		value = strtok_r(NULL, " \n", &save);
		if (value && value[0] != '-')
			check("source", text_parse_ip(value, &route->src));
		drive->route_count++;
	} else {
		die(word, ERR_MALFORMED);
	}
}

static void want(struct drive *drive, const char *path)
{
	char *line = malloc(LINE_SIZE);
	struct wg_device device = {0};
	FILE *file = fopen(path, "r");

	if (!file || !line)
		die(path, ERR_SYSTEM);
	drive->link = (struct net_link_want){.up = true};
	drive->address_count = drive->route_count = 0;
	while (fgets(line, LINE_SIZE, file))
		want_line(drive, &device, line);
	fclose(file);
	free(line);
	check("want", wg_device_seal(&device));
	wg_device_done(&drive->want);
	drive->want = device;
	drive->wanted = true;
}

static size_t without_ipv6(struct prefix *addresses, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (addresses[i].ip.family == 4)
			addresses[kept++] = addresses[i];
	return kept;
}

static int keep_net(struct drive *drive)
{
	struct net_addr_ops addr_ops;
	struct net_route_ops route_ops;
	struct net_routes routes;
	struct net_addrs addrs;
	struct net_link link;
	unsigned int changes;
	int err = net_link_get(drive->nl, drive->backend->name, &link);

	if (err)
		return err;
	changes = net_link_diff(&drive->link, &link);
	drive->ops += !!changes;
	err = net_link_apply(drive->nl, link.ifindex, &drive->link, changes);
	if (!err)
		err = net_addr_list(drive->nl, link.ifindex, &addrs);
	if (err)
		return err;
	if (!link.ipv6)
		drive->address_count = without_ipv6(drive->addresses, drive->address_count);
	net_addr_diff(drive->addresses, drive->address_count, &addrs, link.ifindex, &addr_ops);
	net_addrs_done(&addrs);
	drive->ops += addr_ops.count;
	for (size_t i = 0; i < addr_ops.count && !err; i++)
		err = net_addr_apply(drive->nl, link.ifindex, &addr_ops.ops[i]);
	if (!err)
		err = net_route_list(drive->nl, link.ifindex, &routes);
	if (err)
		return err;
	net_route_diff(drive->routes, drive->route_count, &routes, link.ifindex, &route_ops);
	net_routes_done(&routes);
	drive->ops += route_ops.count;
	for (size_t i = 0; i < route_ops.count && !err; i++)
		err = net_route_apply(drive->nl, &route_ops.ops[i]);
	return err;
}

/* What a daemon's reconcilers do each time they are asked for another look. */
static void keep(struct drive *drive)
{
	size_t ops = 0;
	int err = wg_sync_look(&drive->sync, drive->backend);

	if (!err)
		err = wg_sync_apply(&drive->sync, drive->backend, &drive->want, &ops);
	if (err) {
		note(drive, "wireguard", err, drive->backend->error);
		return;
	}
	drive->ops += ops;
	err = keep_net(drive);
	if (err)
		note(drive, "network", err, nl_error(drive->nl));
	else
		drive->error[0] = '\0';
}

static void show_peer(const struct wg_peer *peer)
{
	char key[TEXT_KEY_SIZE], endpoint[TEXT_ENDPOINT_SIZE] = "", prefix[TEXT_PREFIX_SIZE];

	if (peer->endpoint.ip.family)
		text_endpoint(&peer->endpoint, endpoint);
	printf("{\"key\":\"%s\",\"endpoint\":\"%s\",\"handshake_ms\":%lld,\"rx\":%llu,\"tx\":%llu,"
	       "\"keepalive\":%u,\"allowed\":[",
		text_key(peer->public_key, key), endpoint, (long long)peer->last_handshake.ms,
		(unsigned long long)peer->rx_bytes, (unsigned long long)peer->tx_bytes,
		peer->keepalive_s);
	for (uint32_t i = 0; i < peer->allowed_count; i++)
		printf("%s\"%s\"", i ? "," : "", text_prefix(&peer->allowed[i], prefix));
	printf("]}");
}

static void show(struct drive *drive)
{
	const struct wg_backend *backend = drive->backend;
	const struct wg_device *have = &drive->sync.have;
	char key[TEXT_KEY_SIZE];
	uint32_t mtu = 0;

	(void)!net_route_underlay_mtu(drive->nl, &backend->ifindex, 1, &mtu);
	printf("{\"backend\":\"%s\",\"state\":\"%s\",\"generation\":%u,\"ifindex\":%u,\"ops\":%zu,"
	       "\"underlay_mtu\":%u,\"error\":\"%s\",\"known\":%s,\"public_key\":\"%s\",\"port\":%"
	       "u,"
	       "\"peers\":[",
		wg_backend_name(backend), wg_backend_state_name(backend->state),
		backend->generation, backend->ifindex, drive->ops, mtu,
		drive->error[0] ? drive->error : backend->error,
		drive->sync.known ? "true" : "false", text_key(have->public_key, key),
		have->listen_port);
	for (uint32_t i = 0; i < have->peer_count; i++) {
		printf(i ? "," : "");
		show_peer(&have->peers[i]);
	}
	printf("]}\n");
}

/* False when it is over. */
static bool command(struct drive *drive)
{
	char line[1024];
	int err;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "want ", 5) == 0) {
		want(drive, line + 5);
		drive->look = MTIME_ZERO;
		printf("{}\n");
	} else if (strcmp(line, "show") == 0) {
		show(drive);
	} else {
		err = wg_backend_stop(drive->backend);
		printf("{\"error\":\"%s\"}\n", err ? drive->backend->error : "");
		drive->wanted = false;
	}
	fflush(stdout);
	return strcmp(line, "stop") != 0;
}

/* A turn: waits for something to happen, and sees to it. */
static bool turn(struct drive *drive)
{
	struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0},
		{nl_monitor_fd(drive->monitor), POLLIN, 0}, {drive->backend->fd, POLLIN, 0}};
	mtime_t next = mtime_min(drive->look, drive->backend->deadline);
	int64_t wait_ms = next.us == INT64_MAX ? LOOK_MS : mtime_diff_ms(next, now()) + 1;
	struct nl_changes changes;

	poll(fds, ARRAY_SIZE(fds), wait_ms < 0 ? 0 : wait_ms > LOOK_MS ? LOOK_MS : wait_ms);
	if ((fds[0].revents & (POLLIN | POLLHUP)) && !command(drive))
		return false;
	if (fds[1].revents) {
		check("events", nl_monitor_drain(drive->monitor, &changes));
		if (nl_changes_touch(&changes, drive->backend->ifindex))
			drive->look = MTIME_ZERO;
	}
	if ((fds[2].revents || mtime_reached(now(), drive->backend->deadline)) &&
		wg_backend_step(drive->backend, now()) == 0)
		drive->look = MTIME_ZERO;
	if (drive->wanted && mtime_reached(now(), drive->look)) {
		drive->look = mtime_add_ms(now(), LOOK_MS);
		keep(drive);
	}
	return true;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"auto", "kernel", "userspace"};
	struct wg_backend_config config = {.command = "wireguard-go -f %i", .output = -1};
	struct drive drive = {.look = MTIME_ZERO};
	enum wg_backend_kind kind = WG_BACKEND_AUTO;

	if (argc < 3 || sodium_init() < 0)
		return 2;
	while (strcmp(argv[1], kinds[kind]) != 0)
		if (++kind == ARRAY_SIZE(kinds))
			return 2;
	if (argc > 3)
		config.command = argv[3];
	setvbuf(stdin, NULL, _IONBF, 0); /* poll must not miss a second line */
	check("netlink", nl_new(&drive.nl));
	check("events", nl_monitor_new(&drive.monitor));
	if (wg_backend_new(kind, drive.nl, argv[2], &config, &drive.backend))
		die(nl_error(drive.nl), ERR_SYSTEM);
	(void)!wg_backend_step(drive.backend, now());
	while (turn(&drive))
		;
	wg_backend_free(drive.backend);
	wg_sync_done(&drive.sync);
	wg_device_done(&drive.want);
	nl_monitor_free(drive.monitor);
	nl_free(drive.nl);
	return 0;
}
