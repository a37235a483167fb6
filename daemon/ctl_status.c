#include "daemon/ctl_status.h"

#include <sodium.h>
#include <stdio.h>

#include "daemon/ctl_l2_view.h"
#include "daemon/ctl_overlay.h"
#include "daemon/ctl_put.h"
#include "daemon/discover.h"
#include "daemon/ipc/ipc.h"
#include "daemon/keyfile.h"
#include "gossip/record/hlc.h"

#define CLOCK_OFFSET_MAX_MS (30 * 1000) /* the contract's: beyond it, status warns */

/* ---- warnings ---- */

/* What to do about each kind. The compiler sees to it that none is without. */
static const char *advice_of(enum daemon_warning which)
{
	static const char retried[] =
		"`meshctl debug dump` has the last errors; it is tried again by itself";

	switch (which) {
	case DAEMON_WARNING_STATE:
		return "make room on that disk, or mount it writable (`df`, `mount`): it is tried "
		       "again by itself";
	case DAEMON_WARNING_DAMAGED:
		return "see whether the disk is sound (`dmesg`, `smartctl`)";
	case DAEMON_WARNING_NO_IPV6:
		return "take `ipv6.disable=1` off the kernel's command line";
	case DAEMON_WARNING_ADVERTISE:
		return "mend the name in [gossip] `advertise`, or the resolver (`getent hosts "
		       "NAME`)";
	case DAEMON_WARNING_RELOAD:
		return "`meshd --check-config` says what is wrong; mend it, then `systemctl reload "
		       "meshd`";
	case DAEMON_WARNING_RESTART:
		return "`systemctl restart meshd`: tunnels stay up";
	case DAEMON_WARNING_WIREGUARD:
	case DAEMON_WARNING_NETWORK:
		return retried;
	case DAEMON_WARNING_L2:
		return "`meshctl l2 list` shows which segment; mend what it says, or `meshctl l2 "
		       "detach` takes it off this host";
	case DAEMON_WARNING_ROTATE:
		return "start meshd on the members that it names; `meshctl rotate --force` does "
		       "not wait for them, and their tunnels break until they are back";
	case DAEMON_WARNING_OVERLAP:
		return "`ip route` shows it: renumber that network, or found the mesh with another "
		       "`--prefix4`";
	case DAEMON_WARNING_MDNS:
		return "`systemctl enable --now avahi-daemon`, or `mdns = false` in [gossip] and "
		       "`systemctl reload meshd`";
	case DAEMON_WARNING_METRICS:
		return "set another `listen` in [metrics], or end that program (`ss -ltnp`), then "
		       "`systemctl reload meshd`";
	case DAEMON_WARNING_MESH:
		return "`meshctl leave`, then join by a new token";
	case DAEMON_WARNINGS:
		break;
	}
	return retried;
}

static bool clock_warning(
	const struct daemon *daemon, int64_t offset_ms, char *ret, size_t ret_size)
{
	if (offset_ms <= CLOCK_OFFSET_MAX_MS && offset_ms >= -CLOCK_OFFSET_MAX_MS)
		return false;
	snprintf(ret, ret_size, "this host's clock is %lld s %s the other members': %s",
		(long long)(offset_ms < 0 ? -offset_ms : offset_ms) / 1000,
		offset_ms > 0 ? "behind" : "ahead of",
		daemon->synced ? "the kernel says that it is synchronised, so see whether it or "
				 "most of theirs are wrong"
			       : "set it, or run a time daemon");
	return true;
}

#define MOVED_SHOWN_MS (24 * 3600 * INT64_C(1000)) /* as long as members that left are listed */

static void warn_address(struct daemon *daemon, const struct gossip_status *status,
	daemon_warning_cb each, void *arg)
{
	char text[512], lost[TEXT_IP_SIZE], now[TEXT_IP_SIZE], prefix[TEXT_PREFIX_SIZE];
	const char *holder = "another member", *advice;
	struct gossip_member member;

	if (status->state != GOSSIP_RUNNING || !status->charter.prefix4.ip.family)
		return;
	if (gossip_member(daemon->gossip, &status->lost4_holder, &member)) {
		holder = member.standing->name;
		gossip_member_wipe(&member);
	}
	text_ip(&status->lost4, lost);
	text_ip(&status->address4, now);
	if (status->address4.family && status->lost4.family &&
		daemon_time(daemon).wall.ms - status->lost4_at.ms < MOVED_SHOWN_MS) {
		snprintf(text, sizeof(text),
			"this node's IPv4 address is %s now: %s has %s by an older right (parts "
			"of the mesh had given it away apart)",
			now, holder, lost);
		advice = "whoever has the old address of this node in a configuration needs the "
			 "new one; `meshctl invite --address` pins one that never moves";
	} else if (!status->address4.family) {
		snprintf(text, sizeof(text),
			"this node has no IPv4 address: every one in %s is taken; members that are "
			"gone for good hold theirs until an admin revokes them",
			text_prefix(&status->charter.prefix4, prefix));
		advice = "`meshctl revoke` members that are gone for good";
	} else {
		return;
	}
	each(arg, text, advice);
}

/* Members that this meshd cannot talk to, though they may be well: how many, and the first. */
static void warn_versions(struct daemon *daemon, daemon_warning_cb each, void *arg)
{
	static const char advice[] = "`meshd --version` there and here; update the older one: no "
				     "tunnel notices";
	char text[512], apart[256] = "", unreadable[AUTHORITY_NAME_MAX + 1] = "";
	size_t index = 0, apart_count = 0, unreadable_count = 0;
	struct gossip_member member;

	while (gossip_member_next(daemon->gossip, &index, &member)) {
		bool counts = member.standing->standing == AUTHORITY_MEMBER;

		if (counts && member.apart && apart_count++ == 0)
			snprintf(apart, sizeof(apart), "%s (%u to %u)", member.standing->name,
				member.descriptor.protocol_least, member.descriptor.protocol_most);
		if (counts && member.unreadable && unreadable_count++ == 0)
			strcpy(unreadable, member.standing->name);
		gossip_member_wipe(&member);
	}
	if (apart_count) {
		snprintf(text, sizeof(text),
			"this meshd speaks version %u of the protocol, and %zu members do not, %s "
			"among them: it hears of them through others only; update the older ones",
			KEYS_PROTOCOL, apart_count, apart);
		each(arg, text, advice);
	}
	if (unreadable_count) {
		snprintf(text, sizeof(text),
			"what comes from %zu members that do not answer cannot be read, %s among "
			"them: they may speak another version of the protocol",
			unreadable_count, unreadable);
		each(arg, text, advice);
	}
}

void ctl_status_each_warning(struct daemon *daemon, daemon_warning_cb each, void *arg)
{
	struct gossip_status status;
	char text[512];

	gossip_status(daemon->gossip, &status);
	for (enum daemon_warning i = 0; i < DAEMON_WARNINGS; i++) {
		if (daemon->warnings[i])
			each(arg, daemon->warnings[i], advice_of(i));
	}
	if (clock_warning(daemon, status.members_offset_ms, text, sizeof(text)))
		each(arg, text,
			"`timedatectl` shows it; run a time daemon, such as systemd-timesyncd or "
			"chrony");
	if (status.yielded_why && status.state != GOSSIP_REVOKED) /* else it is told above */
		each(arg, status.yielded_why,
			"`meshctl leave` here; or stop the other machine for good, and `systemctl "
			"restart meshd`");
	warn_address(daemon, &status, each, arg);
	warn_versions(daemon, each, arg);
	ctl_l2_view_each_warning(daemon, each, arg);
	if (status.twice)
		each(arg,
			"this node's key has signed two records with one stamp (is it on another "
			"machine too?): what it puts counts nowhere any more; `meshctl leave`, "
			"then join by a new token",
			"`meshctl leave`, then `meshctl join` with a new token");
	if (status.stale)
		each(arg,
			"this node was away for more than 10 days: the key-values of before are "
			"kept back until the others have told it what was deleted meanwhile",
			"it takes two of them, where there are two, or 10 days: start them");
	if (status.has_root && !daemon->keys->root_exported) {
		snprintf(text, sizeof(text),
			"the mesh's root key is on this host alone: should it be lost, no admin "
			"can ever be revoked; `meshctl root export FILE` makes a copy for a safe "
			"place");
		each(arg, text, "`meshctl root export FILE`");
	}
}

static void count_one(void *arg, const char *text, const char *advice)
{
	(void)text;
	(void)advice;
	++*(uint32_t *)arg;
}

static void put_one(void *arg, const char *text, const char *advice)
{
	(void)advice;
	ipc_put_words(arg, text, strlen(text));
}

static void put_warnings(struct pack *out, struct daemon *daemon)
{
	uint32_t count = 0;

	ctl_status_each_warning(daemon, count_one, &count);
	pack_put_str(out, "warnings");
	pack_put_array(out, count);
	ctl_status_each_warning(daemon, put_one, out);
}

/* ---- this node and its mesh ---- */

static void put_own_key(struct pack *out, const char *key, const struct daemon *daemon)
{
	char text[TEXT_KEY_SIZE];
	uint8_t public[32];

	ctl_put_text(out, key,
		daemon->config.backend != CONFIG_BACKEND_NONE &&
				keys_wireguard_public(&daemon->keys->wireguard.id, public) == 0
			? text_key(public, text)
			: NULL);
}

static void put_node(
	struct pack *out, const struct daemon *daemon, const struct gossip_status *status)
{
	char name[CONFIG_NAME_SIZE];

	pack_put_str(out, "node");
	pack_put_map(out, 6);
	ctl_put_id(out, "id", &status->node);
	ctl_put_text(out, "name",
		*status->name ? status->name : config_node_name(&daemon->config, name));
	ctl_put_addresses(out, "addresses", &status->address6, &status->address4);
	put_own_key(out, "wireguard_public_key", daemon);
	ctl_put_flag(out, "admin", status->admin);
	ctl_put_text(out, "version", MESHD_VERSION);
}

static void put_mesh(struct pack *out, const struct gossip_status *status)
{
	if (!status->has_mesh) {
		ctl_put_nil(out, "mesh");
		return;
	}
	pack_put_str(out, "mesh");
	pack_put_map(out, 4);
	ctl_put_id(out, "id", &status->mesh);
	/* Until the charter has come, at a join, only the id is known. */
	ctl_put_text(out, "name", *status->charter.name ? status->charter.name : NULL);
	ctl_put_prefix(out, "prefix4", &status->charter.prefix4);
	ctl_put_prefix(out, "prefix6", &status->charter.prefix6);
}

void ctl_status_put_belonging(struct pack *out, struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	pack_put_map(out, 3);
	put_node(out, daemon, &status);
	put_mesh(out, &status);
	put_warnings(out, daemon);
}

/* ---- members ---- */

/* Where gossip reaches it now, then what it says of itself. */
static void put_endpoints(struct pack *out, const struct gossip_member *member)
{
	const struct descriptor *descriptor = &member->descriptor;
	size_t said = member->has_descriptor ? descriptor->endpoint_count : 0;
	bool reached = member->reached.ip.family != 0;
	uint32_t count = reached;
	char text[TEXT_ENDPOINT_SIZE];

	for (size_t i = 0; i < said; i++)
		count += !endpoint_equal(&descriptor->endpoints[i], &member->reached);
	pack_put_str(out, "endpoints");
	pack_put_array(out, count);
	if (reached)
		pack_put_str(out, text_endpoint(&member->reached, text));
	for (size_t i = 0; i < said; i++) {
		if (!endpoint_equal(&descriptor->endpoints[i], &member->reached))
			pack_put_str(out, text_endpoint(&descriptor->endpoints[i], text));
	}
}

static void put_tags(struct pack *out, const struct authority_member *standing)
{
	pack_put_str(out, "tags");
	pack_put_array(out, (uint32_t)standing->tag_count);
	for (size_t i = 0; i < standing->tag_count; i++)
		pack_put_str(out, standing->tags[i]);
}

#define MEMBER_FIELDS 11

static void put_member_fields(
	struct pack *out, struct daemon *daemon, const struct gossip_member *member)
{
	const struct authority_member *standing = member->standing;
	uint8_t own[32];

	ctl_put_id(out, "id", &standing->id);
	ctl_put_text(out, "name", standing->name);
	ctl_put_text(out, "state", gossip_member_state_label(member->state));
	ctl_put_flag(out, "self", member->self);
	ctl_put_flag(out, "admin", standing->admin);
	put_tags(out, standing);
	ctl_put_addresses(out, "addresses", &member->address6, &member->address4);
	put_endpoints(out, member);
	ctl_put_rtt(out, member->rtt_us);
	ctl_put_time(out, "since", member->since);
	pack_put_str(out, "wireguard");
	if (member->self && keys_wireguard_public(&daemon->keys->wireguard.id, own) == 0 &&
		daemon->config.backend != CONFIG_BACKEND_NONE)
		ctl_overlay_put_peer(out, daemon, &standing->id, own);
	else
		ctl_overlay_put_peer(out, daemon, &standing->id,
			member->has_wireguard ? member->wireguard_public : NULL);
}

/* The stamp in a standing is that of the admission only while it is a member. */
static wtime_t admitted(const struct authority_member *standing)
{
	bool member = standing->standing == AUTHORITY_MEMBER;

	return (wtime_t){member ? hlc_stamp_ms(standing->stamp) : 0};
}

static void put_protocol(struct pack *out, const struct gossip_member *member)
{
	pack_put_str(out, "protocol");
	pack_put_array(out, member->has_descriptor ? 2 : 0);
	if (member->has_descriptor) {
		pack_put_uint(out, member->descriptor.protocol_least);
		pack_put_uint(out, member->descriptor.protocol_most);
	}
}

void ctl_status_put_member(struct pack *out, struct daemon *daemon, const struct id *node)
{
	const struct authority_member *standing;
	struct gossip_member member;

	if (!gossip_member(daemon->gossip, node, &member)) {
		pack_put_nil(out);
		return;
	}
	standing = member.standing;
	pack_put_map(out, MEMBER_FIELDS + 14);
	put_member_fields(out, daemon, &member);
	ctl_put_flag(out, "ephemeral", standing->ephemeral);
	ctl_put_flag(out, "kept", standing->kept);
	ctl_put_flag(out, "writer", standing->writer || standing->admin);
	ctl_put_time(out, "lease", (wtime_t){standing->lease_ms});
	ctl_put_time(out, "admitted", admitted(standing));
	ctl_put_id(out, "invite", &standing->invite);
	ctl_put_person(out, "by", daemon->gossip, standing->by);
	ctl_put_text(out, "reason", standing->reason);
	ctl_put_endpoint(out, "reached", &member.reached);
	ctl_put_text(out, "version", member.has_descriptor ? member.descriptor.version : NULL);
	put_protocol(out, &member);
	ctl_put_number(out, "mtu", member.has_descriptor ? member.descriptor.mtu : 0);
	ctl_l2_view_put_member(out, daemon, &member);
	gossip_member_wipe(&member);
}

static void put_members(struct pack *out, struct daemon *daemon)
{
	struct gossip_member member;
	uint32_t count = 0;
	size_t index = 0;

	while (gossip_member_next(daemon->gossip, &index, &member))
		count++;
	pack_put_str(out, "members");
	pack_put_array(out, count);
	for (index = 0; gossip_member_next(daemon->gossip, &index, &member);) {
		pack_put_map(out, MEMBER_FIELDS);
		put_member_fields(out, daemon, &member);
	}
	sodium_memzero(&member, sizeof(member));
}

/* ---- the whole ---- */

static void put_store(struct pack *out, const struct gossip_status *status)
{
	char text[2 * DIGEST_SIZE + 1];

	pack_put_str(out, "store");
	pack_put_map(out, 4);
	ctl_put_number(out, "records", status->records);
	ctl_put_text(out, "digest", text_hex(status->digest, DIGEST_SIZE, text));
	ctl_put_number(out, "bytes", status->records_size);
	ctl_put_time(out, "cutoff", status->cutoff);
}

void ctl_status_put(struct pack *out, struct daemon *daemon)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	pack_put_map(out, 9);
	ctl_put_text(out, "state", gossip_state_label(status.state));
	put_node(out, daemon, &status);
	put_mesh(out, &status);
	put_members(out, daemon);
	ctl_overlay_put(out, daemon);
	ctl_l2_view_put_status(out, daemon);
	put_store(out, &status);
	pack_put_str(out, "discovery");
	pack_put_map(out, 2);
	ctl_put_text(out, "mdns", discover_state_label(daemon->discover));
	ctl_put_number(out, "found", discover_count(daemon->discover));
	put_warnings(out, daemon);
}
