#include "daemon/why_trace.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/recon_l2.h"
#include "daemon/sockaddr.h"

static void add(struct why_trace *trace, const char *name, enum why_state state, const char *advice,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(struct why_trace *trace, const char *name, enum why_state state, const char *advice,
	const char *format, ...)
{
	struct why_step *step = &trace->steps[trace->count];
	va_list args;

	if (trace->count == WHY_STEPS_MAX)
		return;
	trace->count++;
	*step = (struct why_step){.name = name, .state = state};
	snprintf(step->about, sizeof(step->about), "%s", trace->about);
	snprintf(step->advice, sizeof(step->advice), "%s", advice ? advice : "");
	va_start(args, format);
	vsnprintf(step->finding, sizeof(step->finding), format, args);
	va_end(args);
}

/* ---- of one member ---- */

static bool is_member(const struct gossip_member *member)
{
	return member->standing->standing == AUTHORITY_MEMBER;
}

static void check_membership(struct why_trace *trace, const struct gossip_member *member)
{
	const struct authority_member *standing = member->standing;
	char since[TEXT_TIME_SIZE];

	text_time(member->since, since);
	if (is_member(member))
		add(trace, "membership", WHY_OK, NULL, "%s is a member%s", standing->name,
			standing->admin ? ", and an admin" : "");
	else if (standing->standing == AUTHORITY_LEFT)
		add(trace, "membership", WHY_FAILED,
			"if it shall be one again: a new invite, and join",
			"%s left the mesh at %s", standing->name, since);
	else
		add(trace, "membership", WHY_FAILED,
			"`meshctl show` it: a revocation is for ever, a new identity joins by a "
			"new "
			"invite; one whose invite was overspent or closed an admin can `meshctl "
			"keep`",
			"%s is no member any more since %s%s%s", standing->name, since,
			*standing->reason ? ": " : "", standing->reason);
}

static void check_liveness(struct why_trace *trace, const struct gossip_member *member)
{
	const char *name = member->standing->name;
	char reached[TEXT_ENDPOINT_SIZE] = "", advice[WHY_ADVICE_MAX];

	if (member->reached.ip.family)
		text_endpoint(&member->reached, reached);
	snprintf(advice, sizeof(advice),
		"on %s: does meshd run (`systemctl status meshd`)? is the host up, and does UDP "
		"and "
		"TCP to its gossip port get through? Tunnels need no meshd: see below",
		name);
	if (member->state == GOSSIP_MEMBER_ALIVE && !member->heard)
		add(trace, "liveness", WHY_UNKNOWN, "ask again in ten seconds",
			"others say that %s is alive; this node has not heard it yet", name);
	else if (member->state == GOSSIP_MEMBER_ALIVE)
		add(trace, "liveness", WHY_OK, NULL,
			"meshd on %s is alive: heard %lld s ago at %s, round trip %.2f ms", name,
			(long long)member->silent_ms / 1000,
			*reached ? reached : "no known address",
			member->rtt_us < 0 ? 0.0 : (double)member->rtt_us / 1000);
	else if (!member->heard)
		add(trace, "liveness", WHY_FAILED, advice,
			"meshd on %s is %s: it has never answered this node", name,
			gossip_member_state_label(member->state));
	else
		add(trace, "liveness", WHY_FAILED, advice,
			"meshd on %s is %s: it has not answered for %lld s", name,
			gossip_member_state_label(member->state),
			(long long)member->silent_ms / 1000);
}

/* Of the same meshd there is nothing to say. */
static void check_version(struct why_trace *trace, const struct gossip_member *member)
{
	static const char advice[] = "`meshd --version` on both; update the older one: no tunnel "
				     "notices";
	const char *name = member->standing->name;

	if (member->apart)
		add(trace, "version", WHY_FAILED, advice,
			"meshd on %s (%s) speaks versions %u to %u of the protocol, this one %u",
			name, member->descriptor.version, member->descriptor.protocol_least,
			member->descriptor.protocol_most, KEYS_PROTOCOL);
	else if (member->unreadable)
		add(trace, "version", WHY_FAILED, advice,
			"what comes from where %s was cannot be read here: its meshd may speak "
			"another version of the protocol",
			name);
	else if (member->has_descriptor && strcmp(member->descriptor.version, MESHD_VERSION) != 0)
		add(trace, "version", WHY_OK, NULL,
			"meshd on %s is %s, and here %s: they understand each other", name,
			member->descriptor.version, MESHD_VERSION);
}

static void check_records(struct why_trace *trace, const struct gossip_member *member)
{
	if (!member->compared)
		add(trace, "records", WHY_UNKNOWN, NULL,
			"%s has not said yet which records it holds", member->standing->name);
	else if (member->differs)
		add(trace, "records", WHY_UNKNOWN,
			"wait some seconds; if it stays like that, see the clocks and free disk "
			"space on both",
			"%s does not hold the same records as this node now: one of the two may "
			"not know the other's latest keys and addresses",
			member->standing->name);
	else
		add(trace, "records", WHY_OK, NULL, "%s holds the same records as this node",
			member->standing->name);
}

/* In words: as many as fit. */
static void list_endpoints(const struct endpoint *list, size_t count, char *ret, size_t ret_size)
{
	char text[TEXT_ENDPOINT_SIZE];
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < count && used < ret_size; i++)
		used += (size_t)snprintf(ret + used, ret_size - used, "%s%s", i ? ", " : "",
			text_endpoint(&list[i], text));
}

/* The address that this host would send from to that one; ERR_SYSTEM: there is no way. */
static int source_for(const struct ip *to, struct ip *ret)
{
	const struct endpoint endpoint = {.ip = *to, .port = 9}; /* nothing is sent */
	int family = to->family == 4 ? AF_INET : AF_INET6, err = ERR_SYSTEM;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address = {0};
	socklen_t size =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if (fd < 0)
		return ERR_SYSTEM;
	if (sockaddr_from_endpoint(&endpoint, family, &address) &&
		connect(fd, (const struct sockaddr *)&address, size) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		sockaddr_to_ip((const struct sockaddr *)&address, ret))
		err = 0;
	close(fd);
	return err;
}

static bool routed_to_any(const struct endpoint *list, size_t count)
{
	struct ip from;

	for (size_t i = 0; i < count; i++) {
		if (source_for(&list[i].ip, &from) == 0)
			return true;
	}
	return false;
}

/* Where WireGuard here looks for it. */
static void check_candidates(struct why_trace *trace, const struct gossip_member *member)
{
	const char *name = member->standing->name;
	char list[320];

	list_endpoints(member->candidates, member->candidate_count, list, sizeof(list));
	if (member->candidate_count == 0)
		add(trace, "endpoints", WHY_FAILED,
			"on it: `advertise` in [gossip]; or let it reach out to this node",
			"no address of WireGuard of %s is known", name);
	else if (!routed_to_any(member->candidates, member->candidate_count))
		add(trace, "endpoints", WHY_FAILED,
			"`ip route` here: give this host a route there, or one of the two an "
			"address of the other's kind",
			"WireGuard of %s may be at %s: this host has no route to any of that", name,
			list);
	else
		add(trace, "endpoints", WHY_OK, NULL, "WireGuard of %s may be at %s", name, list);
}

static void check_endpoints(struct why_trace *trace, const struct gossip_member *member)
{
	const struct descriptor *descriptor = &member->descriptor;
	const char *name = member->standing->name;
	char list[320];

	if (!member->has_descriptor) {
		add(trace, "endpoints", WHY_UNKNOWN, "it says so by itself as soon as it is up",
			"%s has not said yet where it is", name);
	} else if (member->has_wireguard) {
		check_candidates(trace, member);
	} else if (descriptor->endpoint_count == 0) {
		add(trace, "endpoints", WHY_FAILED,
			"on it: `advertise` in [gossip], or an address on its interfaces",
			"%s says that it is at no address", name);
	} else {
		list_endpoints(
			descriptor->endpoints, descriptor->endpoint_count, list, sizeof(list));
		add(trace, "endpoints", WHY_OK, NULL, "%s says that it is at %s", name, list);
	}
}

/* ---- the tunnel between this node and the member ---- */

static bool has_data_plane(struct why_trace *trace, const struct gossip_member *member)
{
	if (trace->daemon->config.backend == CONFIG_BACKEND_NONE) {
		add(trace, "interface", WHY_FAILED, "set `backend` in [wireguard] to auto",
			"this node has no data plane: the configuration wants gossip only");
		return false;
	}
	if (member->has_descriptor && member->descriptor.wireguard_port == 0) {
		add(trace, "interface", WHY_FAILED, "there: set `backend` in [wireguard] to auto",
			"%s has no data plane, or its WireGuard key cannot be used",
			member->standing->name);
		return false;
	}
	return true;
}

static void check_interface(struct why_trace *trace)
{
	const struct recon_status *overlay = &trace->overlay;

	if (overlay->up)
		add(trace, "interface", WHY_OK, NULL, "%s is up here (%s), with %zu peers",
			overlay->interface, overlay->backend, overlay->peers);
	else
		add(trace, "interface", WHY_FAILED, "`meshctl doctor` here",
			"%s is not up here: %s", overlay->interface,
			overlay->problem ? overlay->problem : "it is being set up");
}

/* NULL: told why not. */
static const struct wg_peer *check_peer(struct why_trace *trace, const struct gossip_member *member)
{
	const char *name = member->standing->name;
	const struct wg_peer *peer =
		member->has_wireguard ? recon_peer(trace->daemon->recon, member->wireguard_public)
				      : NULL;

	if (peer && peer->allowed_count)
		add(trace, "peer", WHY_OK, NULL, "WireGuard here has %s as a peer", name);
	else if (peer)
		add(trace, "peer", WHY_FAILED,
			"`meshctl status` shows who has its addresses: one of the two has to get "
			"others, by a new invite",
			"WireGuard here has %s as a peer, but no address of it", name);
	else if (!member->has_wireguard)
		add(trace, "peer", WHY_FAILED, "wait until it has been up for some seconds",
			"this node does not know the WireGuard key of %s yet", name);
	else
		add(trace, "peer", WHY_FAILED, "`meshctl doctor` here",
			"WireGuard here does not have %s as a peer", name);
	return peer && peer->allowed_count ? peer : NULL;
}

static void check_handshake(
	struct why_trace *trace, const struct gossip_member *member, const struct wg_peer *peer)
{
	const char *name = member->standing->name;
	long long age_s = (daemon_time(trace->daemon).wall.ms - peer->last_handshake.ms) / 1000;
	char at[TEXT_ENDPOINT_SIZE] = "no known address", advice[WHY_ADVICE_MAX];

	if (peer->endpoint.ip.family)
		text_endpoint(&peer->endpoint, at);
	snprintf(advice, sizeof(advice), "let UDP port %u in on %s, and UDP out here: %s",
		member->descriptor.wireguard_port, name,
		member->state == GOSSIP_MEMBER_ALIVE
			? "gossip gets through, so it is that port that a firewall or router holds "
			  "back"
			: "its host may be down, too");
	if (recon_reaches(trace->daemon->recon, &member->standing->id))
		add(trace, "handshake", WHY_OK, NULL,
			"WireGuard has a session with %s at %s: shook hands %lld s ago, %llu bytes "
			"received, %llu sent",
			name, at, age_s, (unsigned long long)peer->rx_bytes,
			(unsigned long long)peer->tx_bytes);
	else if (peer->last_handshake.ms && peer->tx_bytes == 0)
		add(trace, "handshake", WHY_UNKNOWN, "send something: `meshctl ping`",
			"WireGuard shook hands with %s %lld s ago, and nothing was sent since",
			name, age_s);
	else if (peer->last_handshake.ms)
		add(trace, "handshake", WHY_FAILED, advice,
			"WireGuard has no session with %s at %s: the last handshake was %lld s ago",
			name, at, age_s);
	else if (peer->tx_bytes == 0)
		add(trace, "handshake", WHY_UNKNOWN, "send something: `meshctl ping`",
			"WireGuard has sent nothing to %s yet", name);
	else
		add(trace, "handshake", WHY_FAILED, advice,
			"WireGuard has sent %llu bytes to %s at %s and never got a handshake from "
			"it",
			(unsigned long long)peer->tx_bytes, name, at);
}

static void check_route(struct why_trace *trace, const struct ip *to, const struct ip *own)
{
	char text[TEXT_IP_SIZE], source[TEXT_IP_SIZE], advice[WHY_ADVICE_MAX];
	struct ip from;

	if (!to->family || !own->family ||
		(to->family == 6 && access("/proc/net/if_inet6", F_OK) != 0))
		return; /* a host without IPv6 has an overlay of IPv4 */
	text_ip(to, text);
	snprintf(advice, sizeof(advice),
		"`ip route get %s` shows the route that wins: remove it, or make it less specific "
		"than the mesh's prefix",
		text);
	if (source_for(to, &from) != 0)
		add(trace, "route", WHY_FAILED, advice, "this host has no route to %s", text);
	else if (!ip_equal(&from, own))
		add(trace, "route", WHY_FAILED, advice,
			"this host sends to %s from %s, past the overlay: another route is "
			"preferred",
			text, text_ip(&from, source));
	else
		add(trace, "route", WHY_OK, NULL, "%s is routed over %s", text,
			trace->overlay.interface);
}

static void check_mtu(struct why_trace *trace, const struct gossip_member *member)
{
	unsigned own = trace->overlay.mtu;
	unsigned other = member->has_descriptor ? member->descriptor.mtu : 0;

	if (!other)
		add(trace, "mtu", WHY_UNKNOWN, NULL, "%s has not said what its overlay carries",
			member->standing->name);
	else if (own == other)
		add(trace, "mtu", WHY_OK, NULL, "both overlays carry %u bytes", own);
	else
		add(trace, "mtu", WHY_OK, NULL,
			"this overlay carries %u bytes, that of %s %u: TCP finds the smaller one "
			"by "
			"itself",
			own, member->standing->name, other);
}

/* Those that both are on. */
static void check_segments(struct why_trace *trace, const struct gossip_member *member)
{
	struct gossip_segment segment;
	struct recon_l2_status status;
	size_t index = 0, shared = 0;
	char names[128] = "";

	while (gossip_segment_next(trace->daemon->gossip, &index, &segment)) {
		size_t used = strlen(names);

		if (!segment.attached || !member->has_descriptor ||
			!descriptor_has_segment(&member->descriptor, segment.vni))
			continue;
		recon_l2_status(trace->daemon->l2, segment.name, &status);
		if (!status.up) {
			add(trace, "segments", WHY_FAILED,
				"`meshctl l2 list` and `meshctl doctor` here",
				"L2 segment %s, which both are on, is not up here: %s",
				segment.name,
				status.problem ? status.problem : "it is being set up");
			return;
		}
		shared++;
		snprintf(
			names + used, sizeof(names) - used, "%s%s", used ? ", " : "", segment.name);
	}
	if (shared)
		add(trace, "segments", WHY_OK, NULL, "both are on %s: up here", names);
}

static void trace_own(struct why_trace *trace, const struct gossip_member *member)
{
	const struct wg_peer *peer;

	trace->about = "";
	if (!has_data_plane(trace, member))
		return;
	check_interface(trace);
	peer = check_peer(trace, member);
	if (peer)
		check_handshake(trace, member, peer);
	check_route(trace, &member->address6, &trace->status.address6);
	check_route(trace, &member->address4, &trace->status.address4);
	check_mtu(trace, member);
	check_segments(trace, member);
}

/* ---- between two others ---- */

static bool has_family(const struct gossip_member *member, uint8_t family)
{
	for (size_t i = 0; i < member->descriptor.endpoint_count; i++) {
		if (member->descriptor.endpoints[i].ip.family == family)
			return true;
	}
	return false;
}

/* Whether one of them can reach the other at all, by the kinds of addresses they have. */
static void check_families(
	struct why_trace *trace, const struct gossip_member *a, const struct gossip_member *b)
{
	bool both4 = has_family(a, 4) && has_family(b, 4);
	bool both6 = has_family(a, 6) && has_family(b, 6);

	if (!a->has_descriptor || !b->has_descriptor)
		return;
	if (both4 || both6)
		add(trace, "path", WHY_OK, NULL, "both have addresses of %s",
			both4 && both6 ? "IPv4 and IPv6"
			: both4	       ? "IPv4"
				       : "IPv6");
	else
		add(trace, "path", WHY_FAILED,
			"give one of them an address of the other's kind (`advertise` in [gossip])",
			"%s and %s have no kind of address in common, so neither can reach the "
			"other",
			a->standing->name, b->standing->name);
}

static void trace_others(
	struct why_trace *trace, const struct gossip_member *a, const struct gossip_member *b)
{
	char advice[WHY_ADVICE_MAX];
	bool mtus =
		a->has_descriptor && b->has_descriptor && a->descriptor.mtu && b->descriptor.mtu;

	trace->about = "";
	check_families(trace, a, b);
	if (mtus)
		add(trace, "mtu", WHY_OK, NULL, "the overlay of %s carries %u bytes, that of %s %u",
			a->standing->name, a->descriptor.mtu, b->standing->name, b->descriptor.mtu);
	snprintf(advice, sizeof(advice), "on %s: `meshctl why %s`", a->standing->name,
		b->standing->name);
	add(trace, "tunnel", WHY_UNKNOWN, advice,
		"whether the tunnel between %s and %s is up those two know alone: a third node "
		"sees neither handshakes nor routes nor firewalls of theirs",
		a->standing->name, b->standing->name);
}

/* ---- all of it ---- */

static void trace_one(struct why_trace *trace, const struct gossip_member *member)
{
	trace->about = member->standing->name;
	check_membership(trace, member);
	if (!is_member(member) || member->self)
		return;
	check_liveness(trace, member);
	check_version(trace, member);
	check_records(trace, member);
	check_endpoints(trace, member);
}

void why_trace_make(struct why_trace *trace, struct daemon *daemon, const struct gossip_member *a,
	const struct gossip_member *b)
{
	char since[TEXT_TIME_SIZE];

	*trace = (struct why_trace){.daemon = daemon};
	gossip_status(daemon->gossip, &trace->status);
	recon_status(daemon->recon, &trace->overlay);
	trace->about = "";
	add(trace, "daemon", WHY_OK, NULL, "meshd here is running since %s",
		text_time(trace->daemon->started, since));
	trace_one(trace, a);
	trace_one(trace, b);
	if (!is_member(a) || !is_member(b))
		return; /* there is nothing between them to look at */
	if (a->self)
		trace_own(trace, b);
	else
		trace_others(trace, a, b);
}
