#include "cli/host.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/memory.h"

#define AVAHI_SOCKET "/run/avahi-daemon/socket" /* of avahi-daemon's simple protocol */

void host_add(json_t *checks, const char *check, enum host_state state, const char *finding,
	const char *advice)
{
	static const char *const states[] = {"ok", "warn", "fail"};

	json_array_append_new(
		checks, memory_check(json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "state",
				states[state], "finding", finding, "advice", advice)));
}

/* Whether a line of the file contains the text. */
static bool file_mentions(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &capacity, file) > 0)
		found = strstr(line, text) != NULL;
	free(line);
	fclose(file);
	return found;
}

/* Loaded or built in, or a module that the kernel can load. */
static bool kernel_has_wireguard(void)
{
	static const char *const lists[] = {"builtin", "dep"};
	struct utsname name;
	char path[sizeof(name.release) + 64];

	if (access("/sys/module/wireguard", F_OK) == 0)
		return true;
	if (uname(&name) != 0)
		return false;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/modules.%s", name.release, lists[i]);
		if (file_mentions(path, "/wireguard.ko"))
			return true;
	}
	return false;
}

static bool in_path(const char *program)
{
	/* The daemon's, which is not that of whoever asks. */
	static const char *const folders[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};
	char path[128];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void check_wireguard(json_t *checks)
{
	bool userspace = in_path("wireguard-go"), tun = access("/dev/net/tun", F_OK) == 0;

	if (kernel_has_wireguard())
		host_add(checks, "wireguard", HOST_OK, "the kernel has WireGuard", NULL);
	else if (userspace && tun)
		host_add(checks, "wireguard", HOST_OK,
			"the kernel has no WireGuard; wireguard-go takes its place", NULL);
	else if (userspace)
		host_add(checks, "wireguard", HOST_FAIL,
			"the kernel has no WireGuard, and wireguard-go cannot work without "
			"/dev/net/tun",
			"load the module tun (`modprobe tun`), or in a container pass /dev/net/tun "
			"in");
	else
		host_add(checks, "wireguard", HOST_FAIL,
			"neither the kernel's WireGuard nor wireguard-go is here",
			"`apt-get install wireguard-go`, or use a kernel with the module "
			"wireguard");
}

static void check_clock(json_t *checks)
{
	struct timex timex = {0};

	if (adjtimex(&timex) < 0)
		host_add(checks, "clock", HOST_WARN,
			"the kernel does not say how good the clock is",
			"run a time daemon, such as systemd-timesyncd or chrony");
	else if (timex.status & STA_UNSYNC)
		host_add(checks, "clock", HOST_WARN, "the clock is not synchronised",
			"run a time daemon, such as systemd-timesyncd or chrony; until then the "
			"members' clocks are asked");
	else
		host_add(checks, "clock", HOST_OK, "the clock is synchronised", NULL);
}

bool host_has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static void check_ipv6(json_t *checks)
{
	if (host_has_ipv6())
		host_add(checks, "ipv6", HOST_OK, "the kernel has IPv6", NULL);
	else
		host_add(checks, "ipv6", HOST_WARN,
			"no IPv6 on this host: the overlay is IPv4 only here, and members that "
			"have "
			"only IPv6 cannot be reached",
			"take `ipv6.disable=1` off the kernel's command line");
}

char *host_describe_forwarding(void)
{
	/* One line, a digit: so whether a line contains 1 is the answer. */
	bool v4 = file_mentions("/proc/sys/net/ipv4/ip_forward", "1");
	bool v6 = file_mentions("/proc/sys/net/ipv6/conf/all/forwarding", "1");

	return memory_format("forwarding of IPv4 is %s here, of IPv6 %s%s", v4 ? "on" : "off",
		v6 ? "on" : "off",
		v4 && v6 ? ""
			 : ": fine unless this host routes for others (`sysctl net.ipv4.ip_forward "
			   "net.ipv6.conf.all.forwarding`)");
}

static void check_forwarding(json_t *checks)
{
	char *text = host_describe_forwarding();

	host_add(checks, "forwarding", HOST_OK, text, NULL);
	free(text);
}

static bool networkd_keeps_routes(void)
{
	static const char setting[] = "ManageForeignRoutes=no";
	glob_t found = {.gl_pathc = 0};
	bool keeps = file_mentions("/etc/systemd/networkd.conf", setting);

	if (glob("/etc/systemd/networkd.conf.d/*.conf", 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			keeps |= file_mentions(found.gl_pathv[i], setting);
	}
	globfree(&found);
	return keeps;
}

/* It takes away routes that it did not make, whenever it starts; ours come back. */
static void check_networkd(json_t *checks)
{
	if (access("/run/systemd/netif/state", F_OK) != 0)
		return;
	if (networkd_keeps_routes())
		host_add(checks, "networkd", HOST_OK,
			"systemd-networkd leaves other programs' routes alone", NULL);
	else
		host_add(checks, "networkd", HOST_WARN,
			"systemd-networkd takes the overlay's routes away whenever it starts, "
			"until "
			"meshd puts them back",
			"put `[Network]` and `ManageForeignRoutes=no` into "
			"/etc/systemd/networkd.conf.d/meshd.conf, then `systemctl restart "
			"systemd-networkd`");
}

static void check_avahi(json_t *checks)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = AVAHI_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool runs = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	host_add(checks, "avahi", HOST_OK,
		runs ? "avahi-daemon is running"
		     : "avahi-daemon is not running: nodes on the LAN are not found by mDNS, which "
		       "is "
		       "fine where tokens carry addresses",
		NULL);
}

void host_check(json_t *checks)
{
	check_wireguard(checks);
	check_clock(checks);
	check_ipv6(checks);
	check_forwarding(checks);
	check_networkd(checks);
	check_avahi(checks);
}
