/* What meshctl shows: one model for people and programs, and nothing in it reaches the terminal
 * that a terminal would obey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/model.h"
#include "cli/options.h"
#include "cli/passphrase.h"
#include "cli/table.h"
#include "gossip/base/pack.h"

#define NOW "2026-11-21T12:00:00.000Z"

static const char status_json[] =
	"{'state': 'running',"
	" 'node': {'id': '0a11cafe00', 'name': 'alpha', 'admin': true, 'version': '0.1.0',"
	"          'addresses': ['fd5e:1::a/128', '100.81.3.7/32'], 'wireguard_public_key': "
	"'KEY='},"
	" 'mesh': {'id': 'feedbeef00', 'name': 'home', 'prefix4': '100.81.0.0/16', 'prefix6': "
	"'fd5e:1::/48'},"
	" 'members': ["
	"  {'id': 'b0', 'name': 'beta', 'state': 'dead', 'self': false, 'admin': false, 'tags': [],"
	"   'addresses': ['fd5e:1::b/128', '100.81.9.12/32'], 'endpoints': ['192.0.2.12:8946'],"
	"   'rtt_ms': null, 'since': '2026-11-21T11:58:00.000Z',"
	"   'wireguard': {'public_key': 'K', 'endpoint': '192.0.2.12:51820',"
	"    'latest_handshake': '2026-11-21T11:59:48.250Z', 'rx_bytes': 1536, 'tx_bytes': 912,"
	"    'path': 'direct'}},"
	"  {'id': 'a0', 'name': 'gone', 'state': 'revoked', 'self': false, 'admin': false, 'tags': "
	"[],"
	"   'addresses': [], 'endpoints': [], 'rtt_ms': null, 'since': '" NOW "',"
	"   'wireguard': {'public_key': null, 'endpoint': null, 'latest_handshake': null,"
	"    'rx_bytes': 0, 'tx_bytes': 0, 'path': 'none'}},"
	"  {'id': '0a11cafe00', 'name': 'alpha', 'state': 'alive', 'self': true, 'admin': true,"
	"   'tags': [], 'addresses': ['fd5e:1::a/128', '100.81.3.7/32'], 'endpoints': [],"
	"   'rtt_ms': null, 'since': '" NOW "', 'wireguard': {'public_key': 'KEY=',"
	"   'endpoint': null, 'latest_handshake': null, 'rx_bytes': 0, 'tx_bytes': 0, 'path': "
	"'none'}},"
	"  {'id': 'c0', 'name': 'caesar', 'state': 'alive', 'self': false, 'admin': false, 'tags': "
	"[],"
	"   'addresses': ['fd5e:1::c/128', '100.81.200.1/32'], 'endpoints': "
	"['[2001:db8::13]:8946'],"
	"   'rtt_ms': 0.413, 'since': '" NOW "',"
	"   'wireguard': {'public_key': 'K', 'endpoint': null, 'latest_handshake': null,"
	"    'rx_bytes': 0, 'tx_bytes': 148, 'path': 'none'}}],"
	" 'wireguard': {'interface': 'mesh0', 'backend': 'userspace', 'listen_port': 51820,"
	"  'mtu': 1420, 'peers': 2},"
	" 'l2': [], 'store': {'records': 12, 'digest': '00', 'bytes': 4096},"
	" 'discovery': {'mdns': 'off', 'found': 0},"
	" 'warnings': ['the root key has no copy']}";

static const char status_text[] = "node       alpha, running, admin, meshd 0.1.0, id 0a11cafe\n"
				  "addresses  fd5e:1::a 100.81.3.7\n"
				  "mesh       home, 100.81.0.0/16, fd5e:1::/48, id feedbeef\n"
				  "members    2 alive, 1 dead, 1 revoked; 12 records, 4.0 KiB\n"
				  "wireguard  mesh0 (userspace), port 51820, MTU 1420, 2 peers\n"
				  "\n"
				  "warning: the root key has no copy\n"
				  "\n"
				  "NAME    STATE    ADDRESSES               ENDPOINT               "
				  "  RTT  HANDSHAKE       RX     TX\n"
				  "alpha*  alive    fd5e:1::a 100.81.3.7    (this node)            "
				  "    -  -                -      -\n"
				  "beta    dead     fd5e:1::b 100.81.9.12   192.0.2.12:51820       "
				  "    -  11 s ago   1.5 KiB  912 B\n"
				  "caesar  alive    fd5e:1::c 100.81.200.1  [2001:db8::13]:8946  "
				  "0.41 ms  never          0 B  148 B\n"
				  "gone    revoked  -                       -                      "
				  "    -  -                -      -\n";

static const char narrow_table[] = "NAME    STATE    ADDRESSES         ENDPOINT                 "
				   "RTT  HANDSHAKE       RX     TX\n"
				   "alpha*  alive    100.81.3.7 ...    (this node)                "
				   "-  -                -      -\n";

static json_t *load(const char *text)
{
	char *quoted = strdup(text);
	json_t *value;

	for (char *at = quoted; (at = strchr(at, '\''));)
		*at = '"';
	value = json_loads(quoted, 0, NULL);
	assert_non_null(value);
	free(quoted);
	return value;
}

/* What a verb shows of an answer on a screen so wide. */
static char *render(const struct verb *verb, json_t *result, unsigned width)
{
	char *text = NULL;
	size_t size;
	struct cli cli = {.screen = {.out = open_memstream(&text, &size), .width = width},
		.now_ms = human_parse_time(NOW)};

	verb->render(&cli, result);
	fclose(cli.screen.out);
	return text;
}

static void status_is_a_table_a_person_can_read(void **state)
{
	(void)state;
	json_t *status = load(status_json);
	char *text = render(&verb_status, status, 0);

	assert_string_equal(text, status_text);
	free(text);
	text = render(&verb_status, status, 90);
	assert_non_null(strstr(text, narrow_table));
	free(text);
	json_decref(status);
}

static void a_node_without_a_mesh_is_told_what_to_do(void **state)
{
	(void)state;
	json_t *status = load("{'state': 'unjoined', 'node': {'id': '0a11cafe00', 'name': 'alpha',"
			      "'addresses': [], 'admin': false, 'version': '0.1.0'}, 'mesh': null,"
			      "'members': [], 'warnings': []}");
	char *text = render(&verb_status, status, 0);

	assert_string_equal(text,
		"node       alpha, unjoined, meshd 0.1.0, id 0a11cafe\n"
		"\n"
		"This node belongs to no mesh: `meshctl init` founds one, `meshctl join -` joins "
		"one with a token.\n");
	free(text);
	json_decref(status);
}

static void show_tells_all_about_a_member(void **state)
{
	(void)state;
	json_t *status = load(status_json);
	json_t *member = json_array_get(json_object_get(status, "members"), 0);
	json_t *more = load("{'version': '0.1.0', 'tags': ['site-b', 'roof'], 'ephemeral': true,"
			    "'admitted': '2026-11-18T12:00:00.000Z', 'reached': '192.0.2.12:8946',"
			    "'by': null, 'reason': '', 'invite': 'ab12'}");
	char *text;

	json_object_update(member, more);
	text = render(&verb_show, member, 0);
	assert_string_equal(text, "name           beta\n"
				  "id             b0\n"
				  "state          dead, since 2 min ago\n"
				  "roles          ephemeral\n"
				  "tags           site-b roof\n"
				  "admitted       2026-11-18T12:00:00.000Z (3 d ago)\n"
				  "invite         ab12\n"
				  "addresses      fd5e:1::b 100.81.9.12\n"
				  "reached at     192.0.2.12:8946\n"
				  "endpoints      192.0.2.12:8946\n"
				  "version        0.1.0\n"
				  "wireguard key  K\n"
				  "path           direct\n"
				  "peer endpoint  192.0.2.12:51820\n"
				  "handshake      2026-11-21T11:59:48.250Z (11 s ago)\n"
				  "traffic        1.5 KiB received, 912 B sent\n");
	free(text);
	json_decref(more);
	json_decref(status);
}

static void invites_are_listed_with_their_terms(void **state)
{
	(void)state;
	json_t *result = load(
		"{'invites': [{'id': '3f9c02aa77', 'state': 'open', 'uses': 5, 'used': 2, "
		"'expires':"
		"'2026-11-28T12:00:00.000Z', 'by': {'id': '0a', 'name': 'alpha'}, 'admin': false,"
		"'ephemeral': true, 'node_name': null, 'tags': ['site-b'], 'addresses': []},"
		"{'id': '77aa02aa77', 'state': 'used_up', 'uses': 1, 'used': 1, 'expires':"
		"'2026-11-21T11:00:00.000Z', 'by': {'id': '0a', 'name': null}, 'admin': true,"
		"'ephemeral': false, 'node_name': 'beta', 'tags': [], 'addresses': []}]}");
	char *text = render(&verb_invites, result, 0);

	assert_string_equal(text, "ID        STATE    USED  EXPIRES     BY     TERMS\n"
				  "3f9c02aa  open      2/5  in 7 d      alpha  ephemeral site-b\n"
				  "77aa02aa  used up   1/1  60 min ago  -      admin as beta\n");
	free(text);
	json_decref(result);
}

static void each_place_of_a_node_on_the_lan_is_listed_once(void **state)
{
	(void)state;
	json_t *result = load(
		"{'mdns': 'running', 'interfaces': ['eth1', 'eth10'], 'nodes': [{'mesh': 'own',"
		"'node': {'id': '0a', 'name': 'beta'}, 'places': ["
		"{'endpoint': '198.51.100.7:8946', 'interface': 'eth10'},"
		"{'endpoint': '98.51.100.7:8946', 'interface': 'eth1'},"
		"{'endpoint': '198.51.100.7:8946', 'interface': 'eth1'}]}]}");
	char *text = render(&verb_discover, result, 0);

	assert_string_equal(text,
		"mDNS on eth1, eth10\n\n"
		"MESH       NODE  INTERFACE   ENDPOINTS\n"
		"this mesh  beta  eth10 eth1  198.51.100.7:8946 98.51.100.7:8946\n");
	free(text);
	json_decref(result);
}

static void columns_are_counted_in_characters(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size;
	struct screen screen = {.out = open_memstream(&text, &size)};
	struct table table;

	table_init(&table, "lr");
	table_heading(&table, "NAME|N");
	table_add(&table, SCREEN_GOOD, "Zürich");
	table_add(&table, SCREEN_PLAIN, "%d", 7);
	table_print(&table, &screen);
	assert_int_equal(table_width(&table), 9);
	screen.colour = true;
	table_print(&table, &screen);
	fclose(screen.out);
	assert_string_equal(text, "NAME    N\nZürich  7\n"
				  "\033[1mNAME\033[0m    \033[1mN\033[0m\n"
				  "\033[32mZürich\033[0m  7\n");
	table_done(&table);
	free(text);
}

static void nothing_that_a_terminal_obeys_gets_through(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} texts[] = {
		{"plain, Zürich, 東京, 🜁", "plain, Zürich, 東京, 🜁"},
		{"\033[31mred\033[0m", "?[31mred?[0m"},
		{"a\nb\tc\x7f", "a?b?c?"},
		{"\xc2\x9b"
		 "2J",
			"?2J"}, /* CSI as one character of C1 */
		{"\xe2\x80\xae"
		 "evil",
			"?evil"},		      /* right-to-left override */
		{"\xe2\x81\xa6x\xef\xbb\xbf", "?x?"}, /* isolate, byte order mark */
		{"\xff\xc3", "??"},		      /* no UTF-8 at all */
		{"\xc3", "?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *text = strdup(texts[i].from);

		screen_clean(text);
		assert_string_equal(text, texts[i].to);
		free(text);
	}
	json_t *value = load("{'a': ['x\\u009by', {'b': '\\u202e'}], 'n': 7}");
	json_t *wanted = load("{'a': ['x?y', {'b': '?'}], 'n': 7}");
	model_clean(value);
	assert_true(json_equal(value, wanted));
	json_decref(value);
	json_decref(wanted);
}

static void answers_become_json_and_64_bit_numbers_strings(void **state)
{
	(void)state;
	struct pack p;
	json_t *value = NULL;

	pack_init_growing(&p, 4096);
	pack_put_map(&p, 5);
	pack_put_str(&p, "small");
	pack_put_uint(&p, 7);
	p.data[p.size - 1] = 0xf9; /* -7: our daemon has no such number to tell yet */
	pack_put_str(&p, "large");
	pack_put_uint(&p, UINT64_MAX);
	pack_put_str(&p, "real");
	pack_put_double(&p, 0.25);
	pack_put_str(&p, "list");
	pack_put_array(&p, 2);
	pack_put_nil(&p);
	pack_put_bool(&p, true);
	pack_put_str(&p, "empty");
	pack_put_map(&p, 0);
	assert_int_equal(model_decode(p.data, p.size, &value), 0);
	char *text = json_dumps(value, JSON_COMPACT);
	assert_string_equal(text, "{\"small\":-7,\"large\":\"18446744073709551615\",\"real\":0.25,"
				  "\"list\":[null,true],\"empty\":{}}");
	free(text);
	json_decref(value);
	for (size_t size = 0; size < p.size; size++)
		assert_int_equal(model_decode(p.data, size, &value), ERR_MALFORMED);
	pack_done(&p);
}

static void quantities_are_said_as_people_say_them(void **state)
{
	(void)state;
	char buf[HUMAN_SIZE];
	int64_t now_ms = human_parse_time(NOW);

	assert_string_equal(human_span(119999, buf), "119 s");
	assert_string_equal(human_span(120000, buf), "2 min");
	assert_string_equal(human_span(INT64_C(3) * 86400000, buf), "3 d");
	assert_string_equal(human_bytes(1023, buf), "1023 B");
	assert_string_equal(human_bytes(1024, buf), "1.0 KiB");
	assert_string_equal(human_bytes(11.0 * 1024 * 1024 * 1024, buf), "11 GiB");
	assert_string_equal(human_rtt(0.413, buf), "0.41 ms");
	assert_string_equal(human_rtt(12.4, buf), "12 ms");
	assert_string_equal(human_rtt(1234, buf), "1.2 s");
	assert_true(human_parse_time("1970-01-01T00:00:01.5Z") == 1500);
	assert_true(human_parse_time("2026-11-21T12:00:00.123456Z") == now_ms + 123);
	assert_true(human_parse_time("yesterday") == -1);
	assert_string_equal(human_ago("2026-11-21T12:00:30Z", now_ms, "-", buf), "in 30 s");
	assert_string_equal(human_ago("2026-11-28T11:59:57Z", now_ms, "-", buf), "in 7 d");
	assert_string_equal(human_ago(NULL, now_ms, "never", buf), "never");
	assert_string_equal(human_ago(NOW, now_ms, "never", buf), "now");
}

/* On the command line in one word or two; a label of the protocol has a hyphen between them. */
static void assert_found_by_its_name(const struct verb *verb)
{
	char *name = strdup(verb->name), *space = strchr(name, ' ');
	char option[] = "--json", *words[] = {name, space ? space + 1 : option, NULL};
	int used = 0;

	if (space)
		*space = '\0';
	assert_ptr_equal(verb_find(2, words, &used), verb);
	assert_int_equal(used, space ? 2 : 1);
	if (space)
		*space = '-';
	assert_string_equal(name, ipc_verb_label(verb->ipc));
	free(name);
}

static void every_verb_explains_itself_with_an_example(void **state)
{
	(void)state;
	size_t count = 0;

	for (; verb_at(count); count++) {
		const struct verb *verb = verb_at(count);
		char *text = NULL, *usage = NULL, *call = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		options_print_help(verb, out);
		fclose(out);
		assert_found_by_its_name(verb);
		assert_true(asprintf(&usage, "Usage: meshctl %s", verb->name) > 0);
		assert_true(strncmp(text, usage, strlen(usage)) == 0);
		assert_non_null(strstr(text, "\n\nExample"));
		assert_true(asprintf(&call, " %s", verb->name) > 0);
		assert_non_null(strstr(strstr(text, "\n\nExample"), call));
		/* Each option is told of, and is an argument that the daemon takes. */
		for (int i = 0; i < VERB_OPTIONS_MAX && verb->options[i].name; i++) {
			char option[32];

			snprintf(option, sizeof(option), "--%s", verb->options[i].name);
			assert_non_null(strstr(verb->help, option));
			assert_non_null(strstr(verb->arguments, option));
			if (verb->options[i].kind != VERB_WATCH &&
				verb->options[i].kind != VERB_PASSPHRASE &&
				verb->options[i].kind != VERB_TIMES)
				assert_true(ipc_verb_takes(verb->ipc, verb->options[i].arg));
		}
		for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 100);
		free(text);
		free(usage);
		free(call);
	}
	assert_int_equal(count, IPC_VERBS - 1); /* `restore-part` is `restore`'s */
}

static int ask_of_file(const void *bytes, size_t size)
{
	char path[] = "/tmp/meshd-passphrase-XXXXXX", *passphrase = NULL;
	int fd = mkstemp(path), status;

	assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
	status = passphrase_ask("test", path, false, &passphrase);
	unlink(path);
	if (status == CLI_DONE)
		sodium_free(passphrase);
	return status;
}

static void a_passphrase_is_all_that_stands_in_its_file(void **state)
{
	(void)state;
	assert_int_equal(ask_of_file("long enough\n", 12), CLI_DONE);
	assert_int_equal(ask_of_file("short\n", 6), CLI_FAILED);
	assert_int_equal(ask_of_file("a\0long enough\n", 14), CLI_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_a_table_a_person_can_read),
		cmocka_unit_test(a_node_without_a_mesh_is_told_what_to_do),
		cmocka_unit_test(show_tells_all_about_a_member),
		cmocka_unit_test(invites_are_listed_with_their_terms),
		cmocka_unit_test(each_place_of_a_node_on_the_lan_is_listed_once),
		cmocka_unit_test(columns_are_counted_in_characters),
		cmocka_unit_test(nothing_that_a_terminal_obeys_gets_through),
		cmocka_unit_test(answers_become_json_and_64_bit_numbers_strings),
		cmocka_unit_test(quantities_are_said_as_people_say_them),
		cmocka_unit_test(every_verb_explains_itself_with_an_example),
		cmocka_unit_test(a_passphrase_is_all_that_stands_in_its_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
