#include "daemon/addresses.h"

#include <assert.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/sockaddr.h"
#include "daemon/log.h"
#include "gossip/base/text.h"
#include "wg/net_addr.h"
#include "wg/net_link.h"

/* One advertised host. Numeric ones need no question. */
struct advertised {
	struct addresses *addresses;
	uv_getaddrinfo_t request;
	bool asking;
	char host[CONFIG_HOST_SIZE]; /* what was asked for */
	struct endpoint found;	     /* family 0: nothing yet */
	int status;		     /* the last answer's, libuv's; 0: it resolved */
};

struct addresses {
	struct daemon *daemon;
	uv_timer_t timer;
	bool stopped;
	struct advertised advertised[CONFIG_ADVERTISE_MAX];
};

static bool ip_is_unspecified(const struct ip *ip)
{
	static const struct ip none;

	return !memcmp(ip->b, none.b, sizeof(none.b));
}

/* What others can be told to reach this host at: not what is the overlay's, a segment's or another
 * mesh's, by our marks, nor what an interface of the configured name bears that is not ours. */
static bool is_worth_telling(
	const struct daemon *daemon, const struct net_links *links, const struct net_addr *addr)
{
	return net_addr_advertisable(addr) && addr->protocol != NET_ADDR_PROTOCOL &&
	       !net_links_are_ours(links, addr->ifindex) &&
	       addr->ifindex != if_nametoindex(daemon->config.interface) &&
	       (daemon->config.listen.ip.family == 6 || addr->prefix.ip.family == 4);
}

/* Appends them to a list of so many. */
static int list_host(const struct daemon *daemon, struct endpoint *list, size_t *count)
{
	const struct endpoint *listen = &daemon->config.listen;
	struct net_addrs addrs = {0};
	struct net_links links = {0};
	size_t most = *count + ADDRESSES_MAX;
	struct nl *nl = NULL;
	int err;

	if (!ip_is_unspecified(&listen->ip)) {
		list[(*count)++] = *listen;
		return 0;
	}
	err = nl_new(&nl);
	if (!err)
		err = net_link_list(nl, &links);
	if (!err)
		err = net_addr_list(nl, 0, &addrs);
	if (err)
		log_warn(
			"cannot list this host's addresses: %s", nl ? nl_error(nl) : err_text(err));
	for (size_t i = 0; i < addrs.count && *count < most; i++) {
		if (is_worth_telling(daemon, &links, &addrs.items[i]))
			list[(*count)++] = (struct endpoint){
				.ip = addrs.items[i].prefix.ip, .port = listen->port};
	}
	net_addrs_done(&addrs);
	net_links_done(&links);
	nl_free(nl);
	return err;
}

static void tell_core(struct addresses *addresses)
{
	struct daemon *daemon = addresses->daemon;
	struct endpoint list[CONFIG_ADVERTISE_MAX + ADDRESSES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < daemon->config.advertise_count; i++) {
		if (addresses->advertised[i].found.ip.family)
			list[count++] = addresses->advertised[i].found;
	}
	/* Where the host does not answer, what was told stands until it does. */
	if (!list_host(daemon, list, &count))
		gossip_set_endpoints(daemon->gossip, daemon_time(daemon), list, count);
}

/* One warning for all: the first that does not resolve. */
static void warn(struct addresses *addresses)
{
	struct daemon *daemon = addresses->daemon;

	for (size_t i = 0; i < daemon->config.advertise_count; i++) {
		const struct advertised *advertised = &addresses->advertised[i];

		if (!advertised->status)
			continue;
		daemon_warn(daemon, DAEMON_WARNING_ADVERTISE,
			"[gossip] advertise: %s does not resolve: %s", advertised->host,
			uv_strerror(advertised->status));
		return;
	}
	daemon_warn_clear(daemon, DAEMON_WARNING_ADVERTISE);
}

static void resolve(struct addresses *addresses, size_t i);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
	struct advertised *advertised = request->data;
	struct addresses *addresses = advertised->addresses;
	size_t i = (size_t)(advertised - addresses->advertised);

	advertised->asking = false;
	if (addresses->stopped || i >= addresses->daemon->config.advertise_count) {
		/* Nobody wants to know any more. */
	} else if (strcmp(advertised->host, addresses->daemon->config.advertise[i].host)) {
		resolve(addresses, i); /* the configuration has changed meanwhile */
	} else {
		/* What was found before stands: a name server that is down changes nothing. */
		advertised->status = status;
		if (!status && sockaddr_to_ip(result->ai_addr, &advertised->found.ip))
			tell_core(addresses);
		warn(addresses);
	}
	uv_freeaddrinfo(result);
}

static void resolve(struct addresses *addresses, size_t i)
{
	const struct config_host *host = &addresses->daemon->config.advertise[i];
	struct advertised *advertised = &addresses->advertised[i];
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	int rc;

	if (strcmp(advertised->host, host->host)) {
		advertised->found = (struct endpoint){0};
		advertised->status = 0;
	}
	advertised->found.port = host->port;
	if (advertised->asking)
		return;
	snprintf(advertised->host, sizeof(advertised->host), "%s", host->host);
	if (!text_parse_ip(host->host, &advertised->found.ip))
		return;
	advertised->request.data = advertised;
	rc = uv_getaddrinfo(&addresses->daemon->loop, &advertised->request, on_resolved, host->host,
		NULL, &hints);
	advertised->asking = !rc;
	if (rc)
		advertised->status = rc;
}

void addresses_look(struct addresses *addresses)
{
	if (addresses->stopped)
		return;
	for (size_t i = 0; i < addresses->daemon->config.advertise_count; i++)
		resolve(addresses, i);
	warn(addresses);
	tell_core(addresses);
}

static void on_timer(uv_timer_t *timer)
{
	addresses_look(timer->data);
}

int addresses_new(struct daemon *daemon, struct addresses **ret)
{
	struct addresses *addresses = calloc(1, sizeof(*addresses));

	if (!addresses)
		return ERR_NOMEM;
	addresses->daemon = daemon;
	for (size_t i = 0; i < CONFIG_ADVERTISE_MAX; i++)
		addresses->advertised[i].addresses = addresses;
	uv_timer_init(&daemon->loop, &addresses->timer);
	addresses->timer.data = addresses;
	uv_timer_start(&addresses->timer, on_timer, ADDRESSES_LOOK_MS, ADDRESSES_LOOK_MS);
	*ret = addresses;
	return 0;
}

void addresses_stop(struct addresses *addresses)
{
	if (!addresses || addresses->stopped)
		return;
	addresses->stopped = true;
	uv_close((uv_handle_t *)&addresses->timer, NULL);
	for (size_t i = 0; i < CONFIG_ADVERTISE_MAX; i++) {
		if (addresses->advertised[i].asking)
			uv_cancel((uv_req_t *)&addresses->advertised[i].request);
	}
}

void addresses_free(struct addresses *addresses)
{
	if (!addresses)
		return;
	for (size_t i = 0; i < CONFIG_ADVERTISE_MAX; i++)
		assert(!addresses->advertised[i].asking);
	free(addresses);
}
