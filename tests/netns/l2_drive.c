/*
 * l2/ on its own, as a daemon would drive it, for tests that play gossip and the operator:
 *
 *	netns-l2_drive
 *
 * Reads commands from stdin and answers each with one line of JSON. Looks, and puts right, when it
 * is told to and at no other time. At the end of stdin it exits and leaves everything up.
 *
 *	want FILE	the one segment that is wanted from now on: lines of `segment BRIDGE VNI`,
 *			`mac MAC`,
 *			`local IP`, `overlay INTERFACE`, `mtu N`, `up`, `flood`, `stp`, `port IF`,
 *			`release IF`, `member IP`, `station MAC IP [now|moved]`,
 *			`neighbour IP MAC [silent]`
 *	keep		looks and puts right: {"error", "ops", "links", "more", "ports"}
 *	look		{"local": [{"mac", "port"}], "neighbours": [{"ip", "mac", "ours"}]}
 *	cleanup		takes down what bears the mark: {"removed"}
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sodium.h>

#include "gossip/base/text.h"
#include "l2/l2_sync.h"
#include "l2/link.h"

#define LINE_SIZE 1024
#define MARK	  "meshd l2 test"

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

static struct mac parse_mac(const char *text)
{
	struct mac mac;
	unsigned int b[6];

	if (!text || sscanf(text, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		check("mac", ERR_MALFORMED);
	for (int i = 0; i < 6; i++)
		mac.b[i] = b[i];
	return mac;
}

static struct ip parse_ip(const char *text)
{
	struct ip ip;

	check("ip", text ? text_parse_ip(text, &ip) : ERR_MALFORMED);
	return ip;
}

static void put_name(char to[NET_NAME_SIZE], const char *from)
{
	snprintf(to, NET_NAME_SIZE, "%s", from ? from : "");
}

static void want_line(struct l2_want *want, char *line)
{
	char *save, *word = strtok_r(line, " \n", &save), *value = strtok_r(NULL, " \n", &save);
	char *second = strtok_r(NULL, " \n", &save), *third = strtok_r(NULL, " \n", &save);

	if (strcmp(word, "segment") == 0) {
		put_name(want->bridge, value);
		want->vni = atoi(second);
		snprintf(want->vxlan, NET_NAME_SIZE, "vx%u", want->vni);
	} else if (strcmp(word, "local") == 0) {
		want->local = parse_ip(value);
	} else if (strcmp(word, "mac") == 0) {
		want->mac = want->vxlan_mac = parse_mac(value);
		want->vxlan_mac.b[0] = 6;
	} else if (strcmp(word, "overlay") == 0) {
		want->overlay = if_nametoindex(value);
	} else if (strcmp(word, "mtu") == 0) {
		want->mtu = atoi(value);
	} else if (strcmp(word, "up") == 0) {
		want->up = true;
	} else if (strcmp(word, "flood") == 0) {
		want->flood = true;
	} else if (strcmp(word, "stp") == 0) {
		want->stp = true;
	} else if (strcmp(word, "port") == 0) {
		put_name(want->ports[want->port_count++], value);
	} else if (strcmp(word, "release") == 0) {
		put_name(want->released[want->released_count++], value);
	} else if (strcmp(word, "member") == 0) {
		struct ip ip = parse_ip(value);
		check(word, l2_want_member(want, &ip));
	} else if (strcmp(word, "station") == 0) {
		struct l2_station station = {.mac = parse_mac(value), .member = parse_ip(second)};

		if (third)
			station.known = strcmp(third, "now") == 0 ? now() : (mtime_t){INT64_MAX};
		check(word, l2_want_station(want, &station));
	} else if (strcmp(word, "neighbour") == 0) {
		struct l2_neighbour neighbour = {
			.ip = parse_ip(value), .mac = parse_mac(second), .silent = third};

		check(word, l2_want_neighbour(want, &neighbour));
	} else {
		check(word, ERR_MALFORMED);
	}
}

static void want_file(struct l2_want *want, const char *path)
{
	char line[LINE_SIZE];
	FILE *file = fopen(path, "r");

	check(path, file ? 0 : ERR_SYSTEM);
	l2_want_done(want);
	snprintf(want->mark, sizeof(want->mark), MARK);
	while (fgets(line, sizeof(line), file))
		want_line(want, line);
	fclose(file);
	l2_want_seal(want);
	printf("{}\n");
}

static void keep(struct nl *nl, const struct l2_want *want)
{
	struct l2_entry_ops ops = {.count = 0};
	struct l2_link_report report;
	struct l2_links links;
	struct l2_table table;
	int err;

	check("links", link_list(nl, &links));
	err = l2_sync_links(nl, want, &links, &report);
	if (!err)
		err = l2_sync_look(nl, want, &links, now(), &table);
	if (!err) {
		err = l2_sync_entries(nl, want, &table, &ops);
		l2_table_done(&table);
	}
	printf("{\"error\":\"%s\",\"text\":\"%s\",\"links\":%zu,\"ops\":%zu,\"more\":%s,"
	       "\"bridge_taken\":%s,\"vxlan_taken\":%s,\"ports\":[",
		err ? err_name(err) : "", err ? nl_error(nl) : "", report.ops, ops.count,
		ops.more ? "true" : "false", report.bridge_taken ? "true" : "false",
		report.vxlan_taken ? "true" : "false");
	for (size_t i = 0; i < want->port_count; i++)
		printf("%s\"%s\"", i ? "," : "",
			report.port_errors[i]		       ? report.port_texts[i]
			: report.ports[i] == L2_PORT_ABSENT    ? "absent"
			: report.ports[i] == L2_PORT_ELSEWHERE ? "elsewhere"
							       : "");
	printf("]}\n");
	link_list_done(&links);
}

static void print_mac(const struct mac *mac)
{
	printf("\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac->b[0], mac->b[1], mac->b[2], mac->b[3],
		mac->b[4], mac->b[5]);
}

static void look(struct nl *nl, const struct l2_want *want)
{
	struct l2_links links;
	struct l2_table table;
	const char *comma = "";
	char text[TEXT_IP_SIZE];

	check("links", link_list(nl, &links));
	check("look", l2_sync_look(nl, want, &links, now(), &table));
	printf("{\"local\":[");
	for (size_t i = 0; i < table.place_count; i++) {
		const struct l2_place *place = &table.places[i];

		if (!l2_table_local(&table, &place->mac))
			continue;
		printf("%s{\"port\":\"%s\",\"mac\":", comma,
			l2_links_index(&links, place->port)->link.name);
		print_mac(&place->mac);
		printf("}");
		comma = ",";
	}
	printf("],\"neighbours\":[");
	comma = "";
	for (size_t i = 0; i < table.neighbour_count; i++) {
		const struct l2_neighbour_have *neighbour = &table.neighbours[i];

		if (!neighbour->valid)
			continue;
		printf("%s{\"ip\":\"%s\",\"ours\":%s,\"mac\":", comma,
			text_ip(&neighbour->ip, text), neighbour->ours ? "true" : "false");
		print_mac(&neighbour->mac);
		printf("}");
		comma = ",";
	}
	printf("]}\n");
	l2_table_done(&table);
	link_list_done(&links);
}

static bool wanted(const void *context, const char *name)
{
	(void)context;
	(void)name;
	return false;
}

static void cleanup(struct nl *nl)
{
	struct l2_links links;
	size_t removed;

	check("links", link_list(nl, &links));
	check("cleanup", l2_sync_leftovers(nl, MARK, wanted, NULL, &links, &removed));
	link_list_done(&links);
	printf("{\"removed\":%zu}\n", removed);
}

int main(void)
{
	struct l2_want want = {0};
	char line[LINE_SIZE];
	struct nl *nl;

	if (sodium_init() < 0)
		return 2;
	check("netlink", nl_new(&nl));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "want ", 5) == 0)
			want_file(&want, line + 5);
		else if (strcmp(line, "keep") == 0)
			keep(nl, &want);
		else if (strcmp(line, "look") == 0)
			look(nl, &want);
		else if (strcmp(line, "cleanup") == 0)
			cleanup(nl);
		else
			check(line, ERR_MALFORMED);
		fflush(stdout);
	}
	l2_want_done(&want);
	nl_free(nl);
	return 0;
}
