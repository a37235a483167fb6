#include "daemon/ctl_doctor.h"

#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/ctl.h"
#include "daemon/ctl_overlay.h"
#include "daemon/ctl_put.h"
#include "daemon/ctl_status.h"
#include "daemon/discover.h"
#include "daemon/keyfile.h"
#include "daemon/metrics.h"
#include "daemon/recon_l2.h"
#include "daemon/sockaddr.h"

/* Those below, every warning of the daemon's, and what else there may be: the first of them. */
#define CHECKS_MAX (16 + DAEMON_WARNINGS + 32)

/* Free on the disk of the state: a full quota of values fits; SQLite works with a page or two. */
#define DISK_WARN_BYTES (UINT64_C(64) << 20)
#define DISK_FAIL_BYTES (UINT64_C(1) << 20)

enum check_state { OK, WARN, FAIL };

struct check {
	const char *name;
	enum check_state state;
	char finding[512];
	const char *advice; /* NULL: none needed */
};

struct checks {
	struct check list[CHECKS_MAX];
	size_t count;
};

static void add(struct checks *checks, const char *name, enum check_state state, const char *advice,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(struct checks *checks, const char *name, enum check_state state, const char *advice,
	const char *format, ...)
{
	struct check *check = &checks->list[checks->count];
	va_list args;

	if (checks->count == ARRAY_SIZE(checks->list))
		return;
	checks->count++;
	*check = (struct check){.name = name, .state = state, .advice = advice};
	va_start(args, format);
	vsnprintf(check->finding, sizeof(check->finding), format, args);
	va_end(args);
}

static void check_daemon(struct checks *checks, struct daemon *daemon)
{
	struct gossip_status status;
	char since[TEXT_TIME_SIZE];

	gossip_status(daemon->gossip, &status);
	add(checks, "daemon", OK, NULL, "meshd %s, pid %d, since %s, is %s", MESHD_VERSION,
		(int)getpid(), text_time(daemon->started, since), gossip_state_label(status.state));
}

static void check_socket(struct checks *checks, struct daemon *daemon)
{
	const struct group *group = getgrnam(CTL_GROUP);
	struct stat st;

	if (stat(daemon->options.socket, &st) != 0)
		add(checks, "socket", FAIL, "restart meshd: tunnels stay up", "somebody removed %s",
			daemon->options.socket);
	else if (st.st_mode & 0007)
		add(checks, "socket", WARN, "take the others' rights away (chmod o=)",
			"everybody may open %s", daemon->options.socket);
	else
		add(checks, "socket", OK, NULL, "%s is open to %s%s", daemon->options.socket,
			group && group->gr_gid == st.st_gid ? "root and the group " : "root only",
			group && group->gr_gid == st.st_gid ? CTL_GROUP : "");
}

/* The folder, and the file with the secrets in it. */
static void check_files(struct checks *checks, struct daemon *daemon)
{
	char path[DAEMON_PATH_SIZE + sizeof(KEYFILE_NAME) + 1];
	const char *dir = daemon->options.state_dir;
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, KEYFILE_NAME);
	if (stat(dir, &st) != 0 || (st.st_mode & 0077) || st.st_uid != geteuid())
		add(checks, "files", FAIL, "chown it to meshd's user, and chmod 0700",
			"%s is not meshd's alone", dir);
	else if (stat(path, &st) != 0)
		add(checks, "files", FAIL,
			"put the file back from a copy before meshd is restarted",
			"the keys of this node, %s, are gone", path);
	else if ((st.st_mode & 0077) || st.st_uid != geteuid())
		add(checks, "files", FAIL, "chown it to meshd's user, and chmod 0600",
			"%s can be read by others", path);
	else if (access(dir, W_OK) != 0)
		add(checks, "files", FAIL, "mount it writable, and let meshd's user write to it",
			"%s cannot be written to", dir);
	else
		add(checks, "files", OK, NULL, "%s is meshd's alone and can be written to", dir);
}

/* They name a program that meshd runs, with its rights. */
static void check_settings(struct checks *checks, const struct daemon *daemon)
{
	const char *path = daemon->options.config;
	bool by_group, by_user;
	struct stat st;

	if (stat(path, &st) != 0)
		return; /* every setting has its default */
	by_user = st.st_uid != 0 && st.st_uid != geteuid();
	by_group = (st.st_mode & S_IWGRP) && st.st_gid != 0 && st.st_gid != getegid();
	if (by_user || by_group || (st.st_mode & S_IWOTH))
		add(checks, "settings", FAIL, "chown it to root, and chmod 0644",
			"%s can be written by others, who so have meshd's rights", path);
	else
		add(checks, "settings", OK, NULL, "%s can be written by no others", path);
}

static void check_ports(
	struct checks *checks, const struct daemon *daemon, const struct recon_status *overlay)
{
	char listen[TEXT_ENDPOINT_SIZE];

	text_endpoint(&daemon->config.listen, listen);
	if (overlay->port_taken)
		add(checks, "ports", FAIL,
			"end that program, or set another `listen-port` in [wireguard]",
			"another program has WireGuard's UDP port %u",
			daemon->config.wireguard_port);
	else if (daemon->config.backend != CONFIG_BACKEND_NONE)
		add(checks, "ports", OK, NULL,
			"gossip on %s (UDP and TCP), WireGuard on %u (UDP): firewalls have to let "
			"both in",
			listen, overlay->listen_port);
	else
		add(checks, "ports", OK, NULL,
			"gossip on %s (UDP and TCP): firewalls have to let it in", listen);
}

static void check_mtu(struct checks *checks, const struct recon_status *overlay)
{
	if (overlay->mtu < CONFIG_MTU_MIN)
		add(checks, "mtu", WARN, "set `mtu` in [wireguard] to 1280 or more",
			"%s carries %u bytes at most, too few for IPv6", overlay->interface,
			overlay->mtu);
	else
		add(checks, "mtu", OK, NULL, "%s carries %u bytes", overlay->interface,
			overlay->mtu);
}

static void check_interface(
	struct checks *checks, const struct daemon *daemon, const struct recon_status *overlay)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	if (daemon->config.backend == CONFIG_BACKEND_NONE) {
		add(checks, "interface", OK, NULL, "none: the configuration wants gossip only");
	} else if (status.state != GOSSIP_RUNNING) {
		add(checks, "interface", OK, NULL, "none: this node is %s",
			gossip_state_label(status.state));
	} else if (!overlay->up) {
		add(checks, "interface", FAIL,
			"it is tried again by itself; the log (`journalctl -u meshd`) and `meshctl "
			"debug dump` say how it came to that",
			"%s is not up: %s", overlay->interface,
			overlay->problem ? overlay->problem : "it is being set up");
	} else {
		add(checks, "interface", OK, NULL, "%s is up (%s), with %zu peers",
			overlay->interface, overlay->backend, overlay->peers);
		check_mtu(checks, overlay);
	}
}

/* Why it does not work, where it should, is among the warnings. */
static void check_mdns(struct checks *checks, const struct daemon *daemon)
{
	const char *state = discover_state_label(daemon->discover);
	const struct discover_link *links;
	char names[128] = "";
	size_t count, used = 0;

	links = discover_links(daemon->discover, &count);
	for (size_t i = 0; i < count && used < sizeof(names); i++)
		used += (size_t)snprintf(
			names + used, sizeof(names) - used, "%s%s", i ? ", " : "", links[i].name);
	if (strcmp(state, "off") == 0)
		add(checks, "mdns", OK, NULL, "off: nobody on the LAN is looked for");
	else if (count == 0)
		add(checks, "mdns", WARN, "see `mdns-interfaces` in [gossip], and `ip link`",
			"there is no interface to look for members on");
	else if (strcmp(state, "running") == 0)
		add(checks, "mdns", OK, NULL, "members are looked for on %s: %zu seen", names,
			discover_count(daemon->discover));
}

/* What ctl_status_each_warning tells of them is not told here. */
static void check_segments(struct checks *checks, const struct daemon *daemon)
{
	struct gossip_segment segment;
	size_t index = 0, attached = 0, up = 0;

	while (gossip_segment_next(daemon->gossip, &index, &segment)) {
		struct recon_l2_status status;

		if (!segment.attached)
			continue;
		attached++;
		recon_l2_status(daemon->l2, segment.name, &status);
		up += status.up;
		if (!status.up)
			add(checks, "segments", FAIL,
				"mend what it says; `meshctl l2 detach` takes it off this host",
				"segment %s is not up here: %s", segment.name,
				status.problem ? status.problem : "it is being set up");
	}
	if (!attached)
		add(checks, "segments", OK, NULL, "this host is on no L2 segment");
	else if (up == attached)
		add(checks, "segments", OK, NULL, "this host is on %zu L2 segments, all up", up);
}

static void check_disk(struct checks *checks, struct daemon *daemon)
{
	struct statvfs vfs;
	uint64_t free_bytes;

	if (statvfs(daemon->options.state_dir, &vfs) != 0)
		return; /* check_files has said it */
	free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (free_bytes < DISK_WARN_BYTES)
		add(checks, "disk", free_bytes < DISK_FAIL_BYTES ? FAIL : WARN,
			"make room there (`df`): what cannot be written is not acknowledged",
			"%llu KiB are free for %s", (unsigned long long)(free_bytes >> 10),
			daemon->options.state_dir);
	else
		add(checks, "disk", OK, NULL, "%llu MiB are free for %s",
			(unsigned long long)(free_bytes >> 20), daemon->options.state_dir);
}

/* How many do not answer, and one of them by name. */
static void check_members(struct checks *checks, struct daemon *daemon)
{
	char missing[AUTHORITY_NAME_MAX + 1] = "";
	struct gossip_member member;
	size_t index = 0, alive = 0, silent = 0;

	while (gossip_member_next(daemon->gossip, &index, &member)) {
		bool is_silent =
			member.state == GOSSIP_MEMBER_DEAD || member.state == GOSSIP_MEMBER_SUSPECT;

		if (is_silent && silent++ == 0)
			strcpy(missing, member.standing->name);
		alive += member.state == GOSSIP_MEMBER_ALIVE && !member.self;
		gossip_member_wipe(&member);
	}
	if (silent > 0)
		add(checks, "members", WARN,
			"`meshctl why` and its name says how far it gets; `meshctl status` lists "
			"them",
			"of %zu other members %zu do not answer, %s among them", silent + alive,
			silent, missing);
	else if (alive > 0)
		add(checks, "members", OK, NULL, "of %zu other members all answer", alive);
}

/* Those that do not understand this one are warned of: ctl_status.c. */
static void check_versions(struct checks *checks, struct daemon *daemon)
{
	char other[AUTHORITY_NAME_MAX + DESCRIPTOR_VERSION_MAX + 4] = "";
	struct gossip_member member;
	size_t index = 0, others = 0, different = 0;

	while (gossip_member_next(daemon->gossip, &index, &member)) {
		bool counts = member.has_descriptor && !member.self && !member.apart &&
			      member.standing->standing == AUTHORITY_MEMBER;

		others += counts;
		if (counts && strcmp(member.descriptor.version, MESHD_VERSION) != 0 &&
			different++ == 0)
			snprintf(other, sizeof(other), "%s (%s)", member.standing->name,
				member.descriptor.version);
		gossip_member_wipe(&member);
	}
	if (different > 0)
		add(checks, "versions", OK, NULL,
			"of %zu other members %zu run another meshd than %s, %s among them: they "
			"understand each other",
			others, different, MESHD_VERSION, other);
	else if (others > 0)
		add(checks, "versions", OK, NULL, "%zu other members run meshd %s as well", others,
			MESHD_VERSION);
}

static void check_metrics(struct checks *checks, const struct daemon *daemon)
{
	const struct endpoint *at = &daemon->config.metrics_listen;
	char listen[TEXT_ENDPOINT_SIZE];

	if (daemon->warnings[DAEMON_WARNING_METRICS])
		return; /* it is listed as what it is */
	if (at->ip.family)
		add(checks, "metrics", OK, NULL, "at http://%s/metrics%s",
			text_endpoint(at, listen), sockaddr_is_loopback(at) ? "" : METRICS_OPEN);
	else
		add(checks, "metrics", OK, NULL, "off (`listen` in [metrics])");
}

static void add_warning(void *arg, const char *text, const char *advice)
{
	add(arg, "warning", WARN, advice, "%s", text);
}

void ctl_doctor_put(struct pack *out, struct daemon *daemon)
{
	static const char *const states[] = {[OK] = "ok", [WARN] = "warn", [FAIL] = "fail"};
	struct checks checks = {.count = 0};
	struct recon_status overlay;

	recon_status(daemon->recon, &overlay);
	check_daemon(&checks, daemon);
	check_socket(&checks, daemon);
	check_files(&checks, daemon);
	check_settings(&checks, daemon);
	check_ports(&checks, daemon, &overlay);
	check_interface(&checks, daemon, &overlay);
	check_segments(&checks, daemon);
	check_mdns(&checks, daemon);
	check_disk(&checks, daemon);
	check_members(&checks, daemon);
	check_versions(&checks, daemon);
	check_metrics(&checks, daemon);
	ctl_status_each_warning(daemon, add_warning, &checks);
	pack_put_map(out, 1);
	pack_put_str(out, "checks");
	pack_put_array(out, (uint32_t)checks.count);
	for (size_t i = 0; i < checks.count; i++) {
		pack_put_map(out, 4);
		ctl_put_text(out, "check", checks.list[i].name);
		ctl_put_text(out, "state", states[checks.list[i].state]);
		ctl_put_text(out, "finding", checks.list[i].finding);
		ctl_put_text(out, "advice", checks.list[i].advice);
	}
}
