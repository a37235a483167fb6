/* The configuration file: what it means, and what is said of one that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config_file.h"
#include "gossip/base/text.h"

static struct config parse(const char *text)
{
	char error[CONFIG_FILE_ERROR_SIZE] = "";
	struct config config;

	if (config_file_parse("file", text, strlen(text), &config, error))
		fail_msg("%s", error);
	return config;
}

static void an_empty_file_is_the_contracts_defaults(void **state)
{
	(void)state;
	struct config config = parse("");
	char buf[TEXT_ENDPOINT_SIZE];

	assert_string_equal(config.node_name, "");
	assert_string_equal(text_endpoint(&config.listen, buf), "[::]:8946");
	assert_int_equal(config.advertise_count, 0);
	assert_true(config.mdns);
	assert_int_equal(config.mdns_interface_count, 0);
	assert_string_equal(config.interface, "mesh0");
	assert_int_equal(config.wireguard_port, 51820);
	assert_int_equal(config.backend, CONFIG_BACKEND_AUTO);
	assert_string_equal(config.userspace_command, "wireguard-go -f %i");
	assert_int_equal(config.mtu, 0);
	assert_int_equal(config.rotate_every_ms, 30 * INT64_C(86400000));
	assert_false(config.l2_stp);
	assert_int_equal(config.metrics_listen.ip.family, 0);
	assert_int_equal(config.level, CONFIG_LEVEL_INFO);
}

static void every_setting_is_read(void **state)
{
	(void)state;
	struct config config = parse("# a comment\n"
				     "[node]\nname = alpha ; said here\n"
				     "[gossip]\r\nlisten = 127.0.0.3:1234\r\n"
				     "advertise = vpn.example.org:8946, [2001:db8::1]:80\n"
				     "mdns = no\nmdns-interfaces = eth0 wlan0\n"
				     "[wireguard]\ninterface = wg-test\nlisten-port = 7\n"
				     "backend = none\nuserspace-command = boringtun -f %i\n"
				     "mtu = 1400\nrotate-every = 0\n"
				     "[l2]\nstp = true\n[metrics]\nlisten = [::1]:9586\n"
				     "[log]\nlevel = debug");
	char buf[TEXT_ENDPOINT_SIZE];

	assert_string_equal(config.node_name, "alpha");
	assert_string_equal(text_endpoint(&config.listen, buf), "127.0.0.3:1234");
	assert_int_equal(config.advertise_count, 2);
	assert_string_equal(config.advertise[0].host, "vpn.example.org");
	assert_int_equal(config.advertise[0].port, 8946);
	assert_string_equal(config.advertise[1].host, "2001:db8::1");
	assert_int_equal(config.advertise[1].port, 80);
	assert_false(config.mdns);
	assert_int_equal(config.mdns_interface_count, 2);
	assert_string_equal(config.mdns_interfaces[1], "wlan0");
	assert_string_equal(config.interface, "wg-test");
	assert_int_equal(config.wireguard_port, 7);
	assert_int_equal(config.backend, CONFIG_BACKEND_NONE);
	assert_string_equal(config.userspace_command, "boringtun -f %i");
	assert_int_equal(config.mtu, 1400);
	assert_int_equal(config.rotate_every_ms, 0);
	assert_true(config.l2_stp);
	assert_string_equal(text_endpoint(&config.metrics_listen, buf), "[::1]:9586");
	assert_int_equal(config.level, CONFIG_LEVEL_DEBUG);
}

static void what_is_wrong_is_named_with_its_place_and_what_is_allowed(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[log]\nlevel = loud\n", "file:2: [log] level = loud: not allowed; it may be "
					  "error, warn, info or debug"},
		{"\n\n[nodes]\nname = a\n",
			"file:3: unknown section [nodes]; there are: node, gossip, wireguard, l2, "
			"metrics, log"},
		{"[mesh]\n", "file:1: unknown section [mesh]; there are: node, gossip, wireguard, "
			     "l2, metrics, log"},
		{"[gossip]\nport = 1\n",
			"file:2: unknown key port in [gossip]; there are: listen, advertise, mdns, "
			"mdns-interfaces"},
		{"[l2]\nstp = true\n[log]\nlevel = warn\n[l2]\nstp = true\n",
			"file:6: [l2] stp is set a second time"},
		{"level = info\n", "file:1: level stands before the first [section]"},
		{"[log]\nlevel\n", "file:2: neither `key = value` nor `[section]` nor a comment"},
		{"[log\nlevel = info\n",
			"file:1: neither `key = value` nor `[section]` nor a comment"},
		{"[wireguard]\nlisten-port = 65536\n", "file:2: [wireguard] listen-port = 65536: "
						       "not allowed; it may be a port, 1 to "
						       "65535"},
		{"[wireguard]\nmtu = 1279\n", "file:2: [wireguard] mtu = 1279: not allowed; it may "
					      "be auto, or 1280 to 65455 bytes"},
		{"[wireguard]\ninterface = a/b\n",
			"file:2: [wireguard] interface = a/b: not allowed; it may be an interface "
			"name: 1 to 15 of letters, digits, _ . and -"},
		{"[gossip]\nlisten = localhost:8946\n",
			"file:2: [gossip] listen = localhost:8946: not allowed; it may be "
			"ADDRESS:PORT with a numeric address, as 0.0.0.0:8946 or [::]:8946 (IPv6 "
			"and IPv4)"},
		{"[gossip]\nlisten = [::]:51820\n[log]\nlevel = info\n",
			"file:2: [wireguard] listen-port = 51820: not allowed; it may be a port "
			"that [gossip] listen has not"},
		{"[log]\nlevel = \033[31m\n", "file:2: [log] level = ?[31m: not allowed; it may be "
					      "error, warn, info or debug"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char error[CONFIG_FILE_ERROR_SIZE] = "";
		struct config config;

		assert_int_equal(config_file_parse("file", cases[i].text, strlen(cases[i].text),
					 &config, error),
			ERR_MALFORMED);
		assert_string_equal(error, cases[i].error);
	}
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {"[node]\nname = Alpha", "[node]\nname = -a",
		"[node]\nname = beef", "[gossip]\nadvertise = a", "[gossip]\nadvertise = :1",
		"[gossip]\nadvertise = [1.2.3.4]:1", "[gossip]\nadvertise = 2001:db8::1:80",
		"[gossip]\nadvertise = a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1",
		"[gossip]\nmdns =", "[gossip]\nmdns = maybe",
		"[gossip]\nmdns-interfaces = interface-name-16",
		"[wireguard]\ninterface =", "[wireguard]\ninterface = interface-name-16",
		"[wireguard]\nlisten-port = 0", "[wireguard]\nlisten-port = 1x",
		"[wireguard]\nlisten-port = -1", "[wireguard]\nbackend = boringtun",
		"[wireguard]\nuserspace-command = wireguard-go", "[wireguard]\nrotate-every = 30",
		"[wireguard]\nrotate-every = 59m", "[metrics]\nlisten = 9586",
		"[log]\nlevel = info\n debug"};
	char error[CONFIG_FILE_ERROR_SIZE], line[CONFIG_FILE_LINE_MAX + 32];
	struct config config;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!config_file_parse("file", cases[i], strlen(cases[i]), &config, error))
			fail_msg("accepted: %s", cases[i]);
	}
	assert_int_equal(config_file_parse("file", "[log]\0", 6, &config, error), ERR_MALFORMED);
	memset(line, '#', sizeof(line));
	assert_int_equal(
		config_file_parse("file", line, sizeof(line), &config, error), ERR_MALFORMED);
}

static void a_file_that_is_not_there_is_told_apart(void **state)
{
	(void)state;
	char path[] = "/tmp/meshd-config-XXXXXX", error[CONFIG_FILE_ERROR_SIZE];
	int fd = mkstemp(path);
	struct config config;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[log]\nlevel = warn\n", 19), 19);
	close(fd);
	assert_int_equal(config_file_read(path, true, &config, error), 0);
	assert_int_equal(config.level, CONFIG_LEVEL_WARN);
	unlink(path);
	assert_int_equal(config_file_read(path, true, &config, error), ERR_UNKNOWN);
	config.wireguard_port = 0;
	assert_int_equal(config_file_read(path, false, &config, error), 0);
	assert_int_equal(config.wireguard_port, 51820);
	assert_int_equal(config_file_read("/", true, &config, error), ERR_SYSTEM);
}

static void count_restart(const char *section, const char *key, void *arg)
{
	(void)section;
	strcat(arg, key);
	strcat(arg, " ");
}

static void a_reload_says_what_needs_a_restart(void **state)
{
	(void)state;
	struct config before = parse(""), after = parse("[wireguard]\nlisten-port = 9\n"
							"[log]\nlevel = debug\n"
							"[gossip]\nlisten = 1.2.3.4:5\n");
	char keys[128] = "";

	config_each_needing_restart(&before, &after, count_restart, keys);
	assert_string_equal(keys, "listen listen-port ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_the_contracts_defaults),
		cmocka_unit_test(every_setting_is_read),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place_and_what_is_allowed),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(a_file_that_is_not_there_is_told_apart),
		cmocka_unit_test(a_reload_says_what_needs_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
