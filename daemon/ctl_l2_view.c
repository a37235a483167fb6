#include "daemon/ctl_l2_view.h"

#include <stdio.h>

#include "daemon/attach.h"
#include "daemon/ctl_kv.h"
#include "daemon/ctl_put.h"
#include "daemon/recon_l2.h"

/* ---- one segment ---- */

static void put_interface(struct pack *out, const struct gossip_segment *segment)
{
	char text[NET_NAME_SIZE];

	snprintf(text, sizeof(text), "vx%u", segment->vni & SEGMENT_VNI_MAX);
	ctl_put_text(out, "interface", text);
}

/* What it is, and what this node has of it. */
#define FACTS 11

static void put_facts(
	struct pack *out, const struct daemon *daemon, const struct gossip_segment *segment)
{
	struct recon_l2_status status;

	recon_l2_status(daemon->l2, segment->name, &status);
	ctl_put_text(out, "name", segment->name);
	ctl_put_number(out, "vni", segment->vni);
	put_interface(out, segment);
	ctl_put_text(out, "bridge", segment->name);
	ctl_put_flag(out, "auto", segment->automatic);
	ctl_put_flag(out, "flood", segment->flood);
	ctl_put_flag(out, "clash", segment->clash);
	ctl_put_flag(out, "attached", segment->attached);
	ctl_put_flag(out, "up", segment->attached && status.up);
	ctl_put_number(out, "mtu", recon_l2_mtu(daemon->l2, segment));
	ctl_put_text(out, "problem", status.problem);
}

void ctl_l2_view_put_status(struct pack *out, struct daemon *daemon)
{
	struct gossip_segment segment;
	uint32_t count = 0;
	size_t index = 0;

	while (gossip_segment_next(daemon->gossip, &index, &segment))
		count++;
	pack_put_str(out, "l2");
	pack_put_array(out, count);
	for (index = 0; gossip_segment_next(daemon->gossip, &index, &segment);) {
		pack_put_map(out, FACTS + 1);
		put_facts(out, daemon, &segment);
		ctl_put_number(out, "members", segment.members);
	}
}

/* ---- warnings ---- */

#define BAD_KEYS_SHOWN 4 /* somebody who writes more of them has seen the first */

static void warn_segment(const struct gossip_segment *segment, daemon_warning_cb each, void *arg)
{
	char text[512];

	if (segment->clash) {
		snprintf(text, sizeof(text),
			"segment `%s` is not in force: `%s` has its VNI %u; an admin should delete "
			"one of the two (`meshctl l2 delete`), and create it anew",
			segment->name, segment->clash_with, segment->vni);
		each(arg, text,
			"`meshctl l2 delete`, and `meshctl l2 create` with another name or "
			"`--vni`");
	}
	if (segment->unannounced) {
		snprintf(text, sizeof(text),
			"segment `%s`: %zu hosts on this side are beyond the %d that one member "
			"tells the others of; frames for those are copied to all",
			segment->name, segment->unannounced, MACS_SEGMENT_MAX);
		each(arg, text,
			"split the LAN into several segments (`meshctl l2 create`), or route "
			"between it and the segment");
	}
}

void ctl_l2_view_each_warning(struct daemon *daemon, daemon_warning_cb each, void *arg)
{
	struct gossip_segment segment;
	size_t index = 0, key_size = 0;
	const char *key = NULL;
	char text[512];

	while (gossip_segment_next(daemon->gossip, &index, &segment))
		warn_segment(&segment, each, arg);
	for (int i = 0; i < BAD_KEYS_SHOWN &&
			gossip_segment_bad_next(daemon->gossip, key, key_size, &key, &key_size);
		i++) {
		snprintf(text, sizeof(text),
			"the key `%.*s` makes no segment: an admin should delete it (`meshctl kv "
			"del`), and use `meshctl l2 create`",
			(int)key_size, key);
		each(arg, text, "`meshctl kv del` and that key, then `meshctl l2 create`");
	}
}

/* ---- what the list has beyond it ---- */

static bool is_attached(const struct gossip_member *member, uint32_t vni)
{
	return member->has_descriptor &&
	       (member->state == GOSSIP_MEMBER_ALIVE || member->state == GOSSIP_MEMBER_SUSPECT ||
		       member->state == GOSSIP_MEMBER_DEAD) &&
	       descriptor_has_segment(&member->descriptor, vni);
}

static void put_member(struct pack *out, const struct gossip_member *member)
{
	pack_put_map(out, 4);
	ctl_put_id(out, "id", &member->standing->id);
	ctl_put_text(out, "name", member->standing->name);
	ctl_put_text(out, "state", gossip_member_state_label(member->state));
	ctl_put_number(out, "overlay_mtu", member->descriptor.mtu);
}

static void put_members(
	struct pack *out, const struct gossip *gossip, const struct gossip_segment *segment)
{
	struct gossip_member member;
	uint32_t count = 0;
	size_t index = 0;

	while (!segment->clash && gossip_member_next(gossip, &index, &member)) {
		count += is_attached(&member, segment->vni);
		gossip_member_wipe(&member);
	}
	pack_put_str(out, "members");
	pack_put_array(out, count);
	for (index = 0; count && gossip_member_next(gossip, &index, &member);) {
		if (is_attached(&member, segment->vni))
			put_member(out, &member);
		gossip_member_wipe(&member);
	}
}

static void put_attachment(
	struct pack *out, const struct daemon *daemon, const struct gossip_segment *segment)
{
	const struct attach *attach = attach_find(daemon, segment->name);
	size_t addresses = attach ? attach->address_count : 0;
	size_t ports = attach ? attach->port_count : 0;
	char text[TEXT_PREFIX_SIZE];

	pack_put_str(out, "addresses");
	pack_put_array(out, (uint32_t)addresses);
	for (size_t i = 0; i < addresses; i++)
		pack_put_str(out, text_prefix(&attach->addresses[i], text));
	pack_put_str(out, "ports");
	pack_put_array(out, (uint32_t)ports);
	for (size_t i = 0; i < ports; i++)
		pack_put_str(out, attach->ports[i]);
}

void ctl_l2_view_put_segment(
	struct pack *out, struct daemon *daemon, const struct gossip_segment *segment)
{
	pack_put_map(out, FACTS + 6);
	put_facts(out, daemon, segment);
	put_members(out, daemon->gossip, segment);
	ctl_put_text(out, "clash_with", segment->clash ? segment->clash_with : NULL);
	ctl_put_person(out, "by", daemon->gossip, &segment->by);
	ctl_put_number(out, "unannounced", segment->unannounced);
	put_attachment(out, daemon, segment);
}

/* ---- MAC addresses ---- */

static void put_mac(struct pack *out, const struct gossip *gossip, const char *segment,
	const struct gossip_mac *mac)
{
	char text[TEXT_IP_SIZE];

	pack_put_map(out, 7);
	ctl_put_text(out, "segment", segment);
	ctl_put_text(out, "mac", text_mac(mac->mac, text));
	pack_put_str(out, "ips");
	pack_put_array(out, mac->ip_count);
	for (size_t i = 0; i < mac->ip_count; i++)
		pack_put_str(out, text_ip(&mac->ips[i], text));
	ctl_put_person(out, "node", gossip, &mac->holder);
	ctl_put_number(out, "sequence", mac->sequence);
	ctl_put_flag(out, "frozen", mac->frozen);
	ctl_put_time(out, "since", mac->since);
}

/* Those that a member has, on one segment or all: put where out is not NULL. */
static uint32_t each_mac_of(struct pack *out, const struct gossip *gossip, const struct id *node)
{
	struct gossip_segment segment;
	struct gossip_mac mac;
	uint32_t count = 0;
	size_t index = 0;

	while (gossip_segment_next(gossip, &index, &segment)) {
		for (size_t at = 0; gossip_mac_next(gossip, segment.vni, &at, &mac);) {
			if (segment.clash || !id_equal(&mac.holder, node))
				continue;
			count++;
			if (out)
				put_mac(out, gossip, segment.name, &mac);
		}
	}
	return count;
}

void ctl_l2_view_put_member(
	struct pack *out, struct daemon *daemon, const struct gossip_member *member)
{
	struct gossip_segment segment;
	uint32_t count = 0;
	size_t index = 0;

	while (gossip_segment_next(daemon->gossip, &index, &segment))
		count += !segment.clash && is_attached(member, segment.vni);
	pack_put_str(out, "segments");
	pack_put_array(out, count);
	for (index = 0; gossip_segment_next(daemon->gossip, &index, &segment);) {
		if (!segment.clash && is_attached(member, segment.vni))
			pack_put_str(out, segment.name);
	}
	pack_put_str(out, "macs");
	pack_put_array(out, each_mac_of(NULL, daemon->gossip, &member->standing->id));
	each_mac_of(out, daemon->gossip, &member->standing->id);
}

/* ---- the list ---- */

struct list_task {
	char segment[SEGMENT_NAME_MAX + 1]; /* empty: none yet */
	size_t mac;			    /* of it, the next one */
};

/* The next segment by name; those that came and went meanwhile are seen or not. */
static bool next_segment(const struct gossip *gossip, const char *after, struct gossip_segment *ret)
{
	size_t index = 0;

	while (gossip_segment_next(gossip, &index, ret)) {
		if (strcmp(ret->name, after) > 0)
			return true;
	}
	return false;
}

/* false: there is no more. */
static bool put_next(struct pack *out, struct daemon *daemon, struct list_task *task)
{
	struct gossip_segment segment;
	struct gossip_mac mac;
	size_t frame;

	if (*task->segment && gossip_segment(daemon->gossip, task->segment, &segment) &&
		!segment.clash && gossip_mac_next(daemon->gossip, segment.vni, &task->mac, &mac)) {
		frame = ipc_reply_begin_item(out);
		put_mac(out, daemon->gossip, segment.name, &mac);
		ipc_frame_end(out, frame);
		return true;
	}
	if (!next_segment(daemon->gossip, task->segment, &segment))
		return false;
	strcpy(task->segment, segment.name);
	task->mac = 0;
	frame = ipc_reply_begin_item(out);
	ctl_l2_view_put_segment(out, daemon, &segment);
	ipc_frame_end(out, frame);
	return true;
}

static enum ctl_stream fill(struct ctl_client *client, struct pack *out)
{

	while (put_next(out, client->daemon, client->task)) {
		if (out->size >= CTL_KV_BATCH)
			return CTL_STREAM_MORE;
	}
	ipc_reply_end(out);
	return CTL_STREAM_END;
}

void ctl_l2_view_list(struct ctl_client *client, const struct ipc_request *request)
{
	(void)request;
	if (ctl_client_task(client, sizeof(struct list_task)))
		ctl_client_stream(client, fill);
}
