#include "gossip/gossip_internal.h"

int gossip_mac_open(struct gossip *g)
{
	(void)g;
	return 0;
}

void gossip_mac_close(struct gossip *g)
{
	(void)g;
}

void gossip_mac_record_changed(struct gossip *g, const struct record *record)
{
	(void)g;
	(void)record;
}

void gossip_mac_members_changed(struct gossip *g)
{
	(void)g;
}

int gossip_mac_admit(struct gossip *g, const struct record *record)
{
	(void)g;
	(void)record;
	return 0;
}

void gossip_mac_turn(struct gossip *g)
{
	(void)g;
}

mtime_t gossip_mac_deadline(const struct gossip *g)
{
	(void)g;
	return MTIME_NEVER;
}

void gossip_mac_count(const struct gossip *g, uint32_t vni, struct gossip_segment *ret)
{
	(void)g;
	(void)vni;
	(void)ret;
}
