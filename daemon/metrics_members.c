#include "daemon/metrics_members.h"

#include <stdlib.h>

#include "daemon/recon.h"

/* What is told of a member. */
struct row {
	const char *name; /* good until the core's next input */
	struct id id;
	bool up, has_peer, session;
	int64_t rtt_us; /* -1: not measured */
	wtime_t handshake;
	uint64_t rx_bytes, tx_bytes;
};

/* What is counted over all, and the first METRICS_PEERS_MAX of them without this node. */
struct roll {
	uint64_t by_state[GOSSIP_MEMBER_REVOKED + 1]; /* this node too */
	uint64_t equal, different, unknown;	      /* stores of members that are alive */
	uint64_t sessions;
	size_t count;
	struct row rows[METRICS_PEERS_MAX];
};

static struct row row_of(struct daemon *daemon, const struct gossip_member *member)
{
	const struct wg_peer *peer =
		member->has_wireguard ? recon_peer(daemon->recon, member->wireguard_public) : NULL;
	struct row row = {.name = member->standing->name,
		.id = member->standing->id,
		.up = member->state == GOSSIP_MEMBER_ALIVE,
		.rtt_us = member->rtt_us};

	if (!peer)
		return row;
	row.has_peer = true;
	row.session = recon_reaches(daemon->recon, &row.id);
	row.handshake = peer->last_handshake;
	row.rx_bytes = peer->rx_bytes;
	row.tx_bytes = peer->tx_bytes;
	return row;
}

static void add_member(struct roll *roll, struct daemon *daemon, const struct gossip_member *member)
{
	struct row row;

	roll->by_state[member->state]++;
	if (member->self || member->state == GOSSIP_MEMBER_LEFT ||
		member->state == GOSSIP_MEMBER_REVOKED)
		return;
	row = row_of(daemon, member);
	roll->sessions += row.session;
	if (row.up && member->compared)
		++*(member->differs ? &roll->different : &roll->equal);
	else if (row.up)
		roll->unknown++;
	if (roll->count < METRICS_PEERS_MAX)
		roll->rows[roll->count] = row;
	roll->count++;
}

static void put_totals(struct metrics_text *text, const struct roll *roll)
{
	metrics_family(text, "meshd_members", METRICS_GAUGE,
		"Members of the mesh by what this node knows of their daemons, itself included; "
		"those that left or were revoked for 24 hours.");
	for (enum gossip_member_state state = GOSSIP_MEMBER_ALIVE; state <= GOSSIP_MEMBER_REVOKED;
		state++)
		metrics_number(text, METRICS_LABELS("state", gossip_member_state_label(state)),
			roll->by_state[state]);
	metrics_family(text, "meshd_store_peers", METRICS_GAUGE,
		"Members that are alive, by whether the digest that they told last was that of "
		"this node's records.");
	metrics_number(text, METRICS_LABELS("digest", "equal"), roll->equal);
	metrics_number(text, METRICS_LABELS("digest", "different"), roll->different);
	metrics_number(text, METRICS_LABELS("digest", "unknown"), roll->unknown);
	metrics_one(text, "meshd_wireguard_sessions", METRICS_GAUGE,
		"Members with which WireGuard has a session.", (double)roll->sessions);
	metrics_one(text, "meshd_peers_without_series", METRICS_GAUGE,
		"Members that have no time series of their own, as the mesh is too large.",
		roll->count > METRICS_PEERS_MAX ? (double)roll->count : 0);
}

/* Values of one member; below 0: it has none. */

static double up_of(const struct row *row)
{
	return row->up;
}

static double rtt_of(const struct row *row)
{
	return row->rtt_us < 0 ? -1 : (double)row->rtt_us / 1e6;
}

static double session_of(const struct row *row)
{
	return row->has_peer ? row->session : -1;
}

static double handshake_of(const struct row *row)
{
	return row->handshake.ms ? (double)row->handshake.ms / 1000 : -1;
}

static double rx_of(const struct row *row)
{
	return row->has_peer ? (double)row->rx_bytes : -1;
}

static double tx_of(const struct row *row)
{
	return row->has_peer ? (double)row->tx_bytes : -1;
}

static const struct {
	const char *name;
	enum metrics_type type;
	const char *help;
	double (*value)(const struct row *row);
} peer_families[] = {
	{"meshd_peer_up", METRICS_GAUGE, "Whether the member's daemon answers (state alive).",
		up_of},
	{"meshd_peer_round_trip_seconds", METRICS_GAUGE,
		"Smoothed round trip of gossip to the member.", rtt_of},
	{"meshd_wireguard_peer_session", METRICS_GAUGE,
		"Whether WireGuard has a session with the member.", session_of},
	{"meshd_wireguard_peer_last_handshake_timestamp_seconds", METRICS_GAUGE,
		"When WireGuard last shook hands with the member, since 1970-01-01 UTC: time() "
		"less this is the handshake's age.",
		handshake_of},
	{"meshd_wireguard_peer_received_bytes_total", METRICS_COUNTER,
		"What WireGuard has received from the member.", rx_of},
	{"meshd_wireguard_peer_sent_bytes_total", METRICS_COUNTER,
		"What WireGuard has sent to the member.", tx_of},
};

static void put_rows(struct metrics_text *text, const struct roll *roll)
{
	size_t shown = roll->count > METRICS_PEERS_MAX ? 0 : roll->count;

	for (size_t i = 0; i < ARRAY_SIZE(peer_families); i++) {
		metrics_family(
			text, peer_families[i].name, peer_families[i].type, peer_families[i].help);
		for (size_t j = 0; j < shown; j++) {
			const struct row *row = &roll->rows[j];
			double value = peer_families[i].value(row);
			char id[TEXT_ID_SIZE];

			if (value >= 0)
				metrics_real(text,
					METRICS_LABELS("peer", row->name, "peer_id",
						text_id(&row->id, id)),
					value);
		}
	}
}

void metrics_members_put(struct metrics_text *text, struct daemon *daemon)
{
	struct roll *roll = calloc(1, sizeof(*roll));
	struct gossip_member member;
	size_t index = 0;

	if (!roll) {
		text->failed = true;
		return;
	}
	while (gossip_member_next(daemon->gossip, &index, &member)) {
		add_member(roll, daemon, &member);
		gossip_member_wipe(&member);
	}
	put_totals(text, roll);
	put_rows(text, roll);
	free(roll);
}
