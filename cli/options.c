#include "cli/options.h"

#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "cli/memory.h"
#include "gossip/base/text.h"

enum { OPTION_HELP = VERB_OPTIONS_MAX, OPTION_JSON };

static int refuse(const struct verb_call *call, const char *text, const char *about)
{
	return cli_fail(CLI_USAGE, "%s: %s%s%s (see `meshctl %s --help`)", call->verb->name, text,
		*about ? ": " : "", about, call->verb->name);
}

static int refuse_value(const struct verb_call *call, const struct verb_option *option,
	const char *wanted, const char *value)
{
	return cli_fail(CLI_USAGE, "%s: --%s wants %s, not '%s'", call->verb->name, option->name,
		wanted, value);
}

static int keep(struct verb_call *call, enum ipc_arg arg, char *text)
{
	if (call->owned_count == ARRAY_SIZE(call->owned)) {
		free(text);
		return ERR_TOO_BIG;
	}
	call->owned[call->owned_count++] = text;
	return ipc_request_add_text(&call->request, arg, text);
}

static void from_sockaddr(const struct sockaddr *from, struct endpoint *ret)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	*ret = (struct endpoint){.ip.family = from->sa_family == AF_INET ? 4 : 6};
	if (from->sa_family == AF_INET)
		memcpy(ret->ip.b, &in->sin_addr, sizeof(in->sin_addr));
	else
		memcpy(ret->ip.b, &in6->sin6_addr, sizeof(in6->sin6_addr));
	ret->port = ntohs(from->sa_family == AF_INET ? in->sin_port : in6->sin6_port);
}

/* The first address of each family: what a name means to those who will be given the token. */
static int add_resolved(struct verb_call *call, enum ipc_arg arg, const struct addrinfo *found)
{
	char text[TEXT_ENDPOINT_SIZE];
	bool have[2] = {false};
	int err = 0;

	for (; found && err == 0; found = found->ai_next) {
		struct endpoint endpoint;

		if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
			continue;
		from_sockaddr(found->ai_addr, &endpoint);
		if (have[endpoint.ip.family == 6])
			continue;
		have[endpoint.ip.family == 6] = true;
		err = keep(call, arg, memory_copy(text_endpoint(&endpoint, text)));
	}
	return err;
}

static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return *text >= '1' && *text <= '9' && *end == '\0' && port <= UINT16_MAX;
}

static int add_endpoint(struct verb_call *call, const struct verb_option *option, const char *value)
{
	static const char wanted[] = "HOST:PORT such as vpn.example.org:8946 or [2001:db8::1]:8946";
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	const char *colon = strrchr(value, ':');
	struct addrinfo *found = NULL;
	struct endpoint endpoint;
	char *host;
	int failed, err;

	if (text_parse_endpoint(value, &endpoint) == 0)
		return ipc_request_add_text(&call->request, option->arg, value) == 0
			       ? CLI_DONE
			       : refuse(call, "too many endpoints", value);
	/* getaddrinfo() takes a port's low 16 bits. */
	if (!colon || colon == value || strchr(value, ':') != colon || !is_port(colon + 1))
		return refuse_value(call, option, wanted, value);
	host = memory_check(strndup(value, (size_t)(colon - value)));
	failed = getaddrinfo(host, colon + 1, &hints, &found);
	if (failed != 0) {
		err = cli_fail(failed == EAI_SERVICE ? CLI_USAGE : CLI_FAILED, "%s: --%s %s: %s",
			call->verb->name, option->name, value, gai_strerror(failed));
		goto out;
	}
	err = add_resolved(call, option->arg, found);
	freeaddrinfo(found);
	if (err != 0)
		err = refuse(call, "too many endpoints", value);
out:
	free(host);
	return err;
}

static int set_prefix(
	struct verb_call *call, const struct verb_option *option, const char *value, uint8_t family)
{
	struct prefix prefix;

	if (text_parse_prefix(value, false, &prefix) != 0 || prefix.ip.family != family)
		return refuse_value(call, option,
			family == 4 ? "an IPv4 prefix such as 10.20.0.0/16"
				    : "an IPv6 prefix such as fd12:3456:789a::/48",
			value);
	return ipc_request_set_text(&call->request, option->arg, value) == 0
		       ? CLI_DONE
		       : refuse(call, "too long", option->name);
}

static int set_count(struct verb_call *call, const struct verb_option *option, const char *value)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '1' || *value > '9' || *end != '\0')
		return refuse_value(call, option, "a number above 0", value);
	/* What is too many the daemon says. */
	ipc_request_set_number(
		&call->request, option->arg, number > UINT32_MAX ? UINT32_MAX : number);
	return CLI_DONE;
}

#define TIMES_MAX 1000000 /* one a second: eleven days */

static int set_times(struct verb_call *call, const struct verb_option *option, const char *value)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (*value < '1' || *value > '9' || *end != '\0' || number > TIMES_MAX)
		return refuse_value(call, option, "a number from 1 to 1000000", value);
	call->times = (int)number;
	return CLI_DONE;
}

static int set_option(struct verb_call *call, const struct verb_option *option, const char *value)
{
	struct prefix prefix;
	struct ip ip;
	int64_t ms;
	int err = 0;

	switch (option->kind) {
	case VERB_FLAG:
		ipc_request_set_number(&call->request, option->arg, true);
		return CLI_DONE;
	case VERB_WATCH:
		call->watch = true;
		return CLI_DONE;
	case VERB_PASSPHRASE:
		call->passphrase_file = value;
		return CLI_DONE;
	case VERB_TIMES:
		return set_times(call, option, value);
	case VERB_DURATION:
		if (text_parse_duration(value, &ms) != 0 || ms == 0)
			return refuse_value(call, option,
				"a duration such as 90s, 15m, 1h or 7d, up to 100 years", value);
		ipc_request_set_number(&call->request, option->arg, (uint64_t)ms);
		return CLI_DONE;
	case VERB_COUNT:
		return set_count(call, option, value);
	case VERB_PREFIX4:
		return set_prefix(call, option, value, 4);
	case VERB_PREFIX6:
		return set_prefix(call, option, value, 6);
	case VERB_ENDPOINT:
		return add_endpoint(call, option, value);
	case VERB_ADDRESS:
		if (text_parse_ip(value, &ip) != 0)
			return refuse_value(call, option, "an IPv4 or IPv6 address", value);
		err = ipc_request_add_text(&call->request, option->arg, value);
		break;
	case VERB_CIDR:
		if (!strchr(value, '/') || text_parse_prefix(value, true, &prefix) != 0)
			return refuse_value(call, option,
				"an address with the length of its network, such as "
				"192.168.7.1/24 or fd12:3456::1/64",
				value);
		err = ipc_request_add_text(&call->request, option->arg, value);
		break;
	case VERB_LIST:
	case VERB_SEVERAL:
		err = ipc_request_add_text(&call->request, option->arg, value);
		break;
	case VERB_TEXT:
		err = ipc_request_set_text(&call->request, option->arg, value);
		break;
	}
	return err == 0 ? CLI_DONE : refuse(call, "too long, or too many of", option->name);
}

static bool takes_value(const struct verb_option *option)
{
	return option->kind != VERB_FLAG && option->kind != VERB_WATCH;
}

static void list_options(const struct verb *verb, struct option ret[VERB_OPTIONS_MAX + 3])
{
	size_t count = 0;

	for (int i = 0; i < VERB_OPTIONS_MAX && verb->options[i].name; i++)
		ret[count++] = (struct option){.name = verb->options[i].name,
			.has_arg = takes_value(&verb->options[i]) ? required_argument : no_argument,
			.val = i};
	ret[count++] = (struct option){.name = "help", .val = OPTION_HELP};
	ret[count++] = (struct option){.name = "json", .val = OPTION_JSON};
	ret[count] = (struct option){0};
}

static int take_operand(
	struct verb_call *call, const struct verb_operand *operand, const char **slot, char *text)
{
	*slot = text;
	if (operand->kind != VERB_OWN &&
		ipc_request_set_text(&call->request, operand->arg, text) != 0)
		return refuse(call, "too long", operand->name);
	return CLI_DONE;
}

/* `--except A B`: getopt leaves B among the operands. */
static int take_more(struct verb_call *call, int argc, char **argv)
{
	const struct verb_option *several = NULL;
	int status = CLI_DONE;

	for (int i = 0; i < VERB_OPTIONS_MAX && call->verb->options[i].name; i++) {
		if (call->verb->options[i].kind == VERB_SEVERAL)
			several = &call->verb->options[i];
	}
	if (!several || !ipc_request_has(&call->request, several->arg))
		return refuse(call, "one argument too many", argv[0]);
	for (int i = 0; i < argc && status == CLI_DONE; i++)
		status = set_option(call, several, argv[i]);
	return status;
}

static int take_operands(struct verb_call *call, int argc, char **argv)
{
	const struct verb_operand *operands = call->verb->operands;
	int count = 0, status = CLI_DONE;

	for (; count < VERB_OPERANDS_MAX && operands[count].name && status == CLI_DONE; count++) {
		if (count < argc)
			status = take_operand(
				call, &operands[count], &call->operands[count], argv[count]);
		else if (operands[count].kind != VERB_OPTIONAL)
			return refuse(call, "an argument is missing", operands[count].name);
	}
	return status == CLI_DONE && argc > count ? take_more(call, argc - count, argv + count)
						  : status;
}

int options_parse(struct cli *cli, struct verb_call *call, int argc, char **argv, bool *ret_help)
{
	struct option options[VERB_OPTIONS_MAX + 3];
	int which, status;

	ipc_request_init(&call->request, call->verb->ipc);
	list_options(call->verb, options);
	optind = 0; /* getopt starts anew: it has read the options before the verb already */
	opterr = 0;
	while ((which = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (which) {
		case 'h':
		case OPTION_HELP:
			*ret_help = true;
			return CLI_DONE;
		case OPTION_JSON:
			cli->json = true;
			break;
		case ':':
			return refuse(call, "a value is missing after", argv[optind - 1]);
		case '?':
			return refuse(call, "no such option", argv[optind - 1]);
		default:
			status = set_option(call, &call->verb->options[which], optarg);
			if (status != CLI_DONE)
				return status;
		}
	}
	return take_operands(call, argc - optind, argv + optind);
}

void options_print_help(const struct verb *verb, FILE *out)
{
	fprintf(out, "Usage: meshctl %s%s%s\n\n%s", verb->name, *verb->arguments ? " " : "",
		verb->arguments, verb->help);
}
