#include "daemon/recon_l2_internal.h"

#include <stdio.h>

#include "daemon/plan.h"

#define IPV6_MTU_MIN 1280 /* RFC 8200, section 5; Linux has no IPv6 on what carries less */

static bool is_on(const struct gossip_member *member, uint32_t vni)
{
	return member->has_descriptor && member->standing->standing == AUTHORITY_MEMBER &&
	       descriptor_has_segment(&member->descriptor, vni);
}

/* Whose overlay carries the least, for people. */
static uint16_t find_narrowest(
	const struct recon_l2 *l2, uint32_t vni, char ret_name[RECON_NAME_SIZE])
{
	struct gossip_member member;
	uint16_t mtu = 0;
	size_t index = 0;

	snprintf(ret_name, RECON_NAME_SIZE, "a member");
	while (gossip_member_next(l2->daemon->gossip, &index, &member)) {
		if (is_on(&member, vni) && member.descriptor.mtu &&
			(!mtu || member.descriptor.mtu < mtu)) {
			mtu = member.descriptor.mtu;
			snprintf(ret_name, RECON_NAME_SIZE, "%s", member.standing->name);
		}
		gossip_member_wipe(&member);
	}
	return mtu;
}

void recon_mtu_tell(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, mtime_t now)
{
	const char *told = segment->faults.of[RECON_SEGMENT_MTU].text;
	char name[RECON_NAME_SIZE], text[RECON_FAULT_SIZE];
	uint16_t overlay_mtu, needed;

	if (plan->want.mtu >= IPV6_MTU_MIN) {
		recon_fault_clear(&segment->faults, RECON_SEGMENT_MTU);
		return;
	}
	overlay_mtu = find_narrowest(l2, plan->want.vni, name);
	needed = overlay_mtu + IPV6_MTU_MIN - plan->want.mtu;
	snprintf(text, sizeof(text),
		"segment %s carries %u bytes, and IPv6 needs %u: the overlay of %s carries %u. "
		"IPv4 works; for IPv6 it needs `mtu` = %u in [wireguard] and an underlay of %u, or "
		"is detached",
		segment->name, plan->want.mtu, IPV6_MTU_MIN, name, overlay_mtu, needed,
		needed + PLAN_OVERHEAD_MTU);
	if (strcmp(text, told) != 0)
		recon_fault_set(&segment->faults, RECON_SEGMENT_MTU, now, "%s", text);
	/* There is nothing to try: another MTU makes another plan. */
	segment->faults.of[RECON_SEGMENT_MTU].next = MTIME_NEVER;
}
