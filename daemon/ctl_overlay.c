#include "daemon/ctl_overlay.h"

#include "daemon/ctl_put.h"
#include "daemon/keyfile.h"

/* Announced, and not in use yet. */
static void put_next_key(struct pack *out, const struct daemon *daemon)
{
	char text[TEXT_KEY_SIZE];
	uint8_t public[32];

	ctl_put_text(out, "next_public_key",
		daemon->keys->has_next && keys_wireguard_public(&daemon->keys->next.id, public) == 0
			? text_key(public, text)
			: NULL);
}

void ctl_overlay_put(struct pack *out, struct daemon *daemon)
{
	struct recon_status status;

	recon_status(daemon->recon, &status);
	pack_put_str(out, "wireguard");
	pack_put_map(out, 7);
	ctl_put_text(out, "interface", status.interface);
	ctl_put_text(out, "backend", status.backend);
	ctl_put_number(out, "listen_port", status.listen_port);
	ctl_put_number(out, "mtu", status.mtu);
	ctl_put_number(out, "peers", status.peers);
	ctl_put_flag(out, "up", status.up);
	put_next_key(out, daemon);
}

void ctl_overlay_put_peer(struct pack *out, struct daemon *daemon, const struct id *node,
	const uint8_t public_key[WG_KEY_SIZE])
{
	static const struct wg_peer none;
	const struct wg_peer *peer = public_key ? recon_peer(daemon->recon, public_key) : NULL;
	char text[TEXT_KEY_SIZE];

	if (!peer)
		peer = &none;
	pack_put_map(out, 6);
	ctl_put_text(out, "public_key", public_key ? text_key(public_key, text) : NULL);
	ctl_put_endpoint(out, "endpoint", &peer->endpoint);
	ctl_put_time(out, "latest_handshake", peer->last_handshake);
	ctl_put_number(out, "rx_bytes", peer->rx_bytes);
	ctl_put_number(out, "tx_bytes", peer->tx_bytes);
	ctl_put_text(
		out, "path", public_key && recon_reaches(daemon->recon, node) ? "direct" : "none");
}
