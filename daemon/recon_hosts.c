#include "daemon/recon_l2_internal.h"

#include <stdlib.h>
#include <linux/if_addr.h>

#include "daemon/log.h"

/* An address that was not heard of for so long may be somebody else's by now. ARP asks again after
 * a minute of traffic at most, so that one in use is confirmed well within it. */
#define HEARD_MS 300000

#define HOSTS_MAX 4096 /* that gossip is told of: it announces a quarter of that, and says so */

struct hosts {
	struct gossip_host *items;
	size_t count;
};

static void add_ip(struct gossip_host *host, const struct ip *ip)
{
	if (host->ip_count < MACS_IPS_MAX)
		host->ips[host->ip_count++] = *ip;
}

static struct gossip_host *add_host(struct hosts *hosts, const struct mac *mac)
{
	struct gossip_host *host;

	if (hosts->count == HOSTS_MAX)
		return NULL;
	host = &hosts->items[hosts->count++];
	*host = (struct gossip_host){.ip_count = 0};
	memcpy(host->mac, mac, sizeof(host->mac));
	return host;
}

/* The bridge is a host as well: this one. */
static void add_own(struct recon_l2 *l2, const struct plan_l2_segment *plan,
	const struct l2_table *table, struct hosts *hosts)
{
	struct gossip_host *own = add_host(hosts, &plan->want.mac);
	struct net_addrs addrs;

	own->own = true;
	if (net_addr_list(l2->nl, table->bridge, &addrs))
		return;
	for (size_t i = 0; i < addrs.count; i++)
		if (!(addrs.items[i].flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
			add_ip(own, &addrs.items[i].prefix.ip);
	net_addrs_done(&addrs);
}

/* Since when somebody else has it: what was heard before that is no news. */
static mtime_t news_since(
	const struct gossip *gossip, uint32_t vni, const struct mac *mac, struct gossip_time time)
{
	struct gossip_mac known;
	int64_t age_ms;

	if (!gossip_mac(gossip, vni, mac->b, &known) || known.self)
		return MTIME_NEVER;
	age_ms = time.wall.ms - known.since.ms;
	return mtime_add_ms(time.now, age_ms > 0 ? -age_ms : 0);
}

static int compare_hosts(const void *a, const void *b)
{
	return memcmp(((const struct gossip_host *)a)->mac, ((const struct gossip_host *)b)->mac,
		sizeof(struct mac));
}

/* The table's places are sorted by MAC, and so are the hosts behind the first. */
static void add_neighbours(struct hosts *hosts, const struct l2_table *table)
{
	for (size_t i = 0; i < table->neighbour_count; i++) {
		const struct l2_neighbour_have *neighbour = &table->neighbours[i];
		struct gossip_host wanted, *host;

		if (!neighbour->valid ||
			(!neighbour->fixed &&
				mtime_diff_ms(table->seen, neighbour->heard) > HEARD_MS))
			continue;
		memcpy(wanted.mac, &neighbour->mac, sizeof(wanted.mac));
		host = bsearch(
			&wanted, hosts->items + 1, hosts->count - 1, sizeof(wanted), compare_hosts);
		if (host)
			add_ip(host, &neighbour->ip);
	}
}

void recon_hosts_tell(struct recon_l2 *l2, const struct plan_l2_segment *plan,
	const struct l2_table *table, struct gossip_time time)
{
	struct gossip *gossip = l2->daemon->gossip;
	struct hosts hosts = {calloc(HOSTS_MAX, sizeof(*hosts.items)), 0};
	uint32_t vni = plan->want.vni;

	if (!hosts.items) {
		log_error("%s: %s", plan->name, err_text(ERR_NOMEM));
		return; /* the next look tells */
	}
	add_own(l2, plan, table, &hosts);
	for (size_t i = 0; i < table->place_count; i++) {
		const struct l2_place *place = &table->places[i];
		struct gossip_host *host;

		if (place->self || place->port == table->vxlan || !mac_is_unicast(&place->mac) ||
			hold_find(plan->bridges, plan->bridge_count, &place->mac))
			continue;
		host = add_host(&hosts, &place->mac);
		if (host)
			host->fresh = mtime_before(
				news_since(gossip, vni, &place->mac, time), place->heard);
	}
	add_neighbours(&hosts, table);
	gossip_macs_set(gossip, time, vni, hosts.items, hosts.count);
	free(hosts.items);
}
