#include "daemon/ctl_dump.h"

#include <stdio.h>

#include "daemon/ctl_put.h"
#include "daemon/ctl_status.h"
#include "daemon/recon.h"
#include "daemon/recon_fault.h"
#include "daemon/recon_l2.h"
#include "daemon/recon_net.h"
#include "daemon/state.h"
#include "gossip/record/record.h"

static void put_real(struct pack *out, const char *key, double value)
{
	pack_put_str(out, key);
	pack_put_double(out, value);
}

/* ---- settings and counters ---- */

static void put_config(struct pack *out, const struct config *config)
{
	pack_put_str(out, "config");
	pack_put_map(out, 8);
	ctl_put_endpoint(out, "gossip_listen", &config->listen);
	ctl_put_flag(out, "mdns", config->mdns);
	ctl_put_text(out, "interface", config->interface);
	ctl_put_text(out, "backend", config_backend_label(config->backend));
	ctl_put_number(out, "wireguard_port", config->wireguard_port);
	ctl_put_number(out, "mtu", config->mtu);
	ctl_put_number(out, "rotate_every_ms", (uint64_t)config->rotate_every_ms);
	ctl_put_endpoint(out, "metrics_listen", &config->metrics_listen);
}

static void put_gossip(struct pack *out, struct daemon *daemon)
{
	static const char *const swim_labels[] = {
#define X(name, label) label,
		SWIM_COUNTER_LIST(X)
#undef X
	};
	const uint64_t *counts = gossip_counters(daemon->gossip);
	const struct swim *swim = gossip_swim(daemon->gossip);

	pack_put_str(out, "gossip");
	pack_put_map(out, GOSSIP_COUNTERS);
	for (unsigned i = 0; i < GOSSIP_COUNTERS; i++)
		ctl_put_number(out, gossip_counter_label(i), counts[i]);
	pack_put_str(out, "detection");
	pack_put_map(out, swim ? SWIM_COUNTERS + 1 : 0);
	if (!swim)
		return;
	for (unsigned i = 0; i < SWIM_COUNTERS; i++)
		ctl_put_number(out, swim_labels[i], swim_counters(swim)[i]);
	ctl_put_number(out, "health", swim_health(swim));
}

static void put_disk(struct pack *out, struct daemon *daemon)
{
	struct state_counts counts;
	uint64_t commits;

	state_counts(daemon->state, &counts);
	commits = histogram_count(&counts.commits);
	pack_put_str(out, "disk");
	pack_put_map(out, 5);
	ctl_put_number(out, "commits", commits);
	put_real(out, "mean_commit_ms",
		commits ? (double)counts.commits.sum_us / 1000 / (double)commits : 0);
	ctl_put_number(out, "failures", counts.failures);
	ctl_put_number(out, "written", counts.written);
	ctl_put_number(out, "waiting", counts.waiting);
}

/* ---- records ---- */

static void put_key(struct pack *out, const struct record *record)
{
	char text[2 * RECORD_KEY_MAX + 1];
	bool readable = record->type == RECORD_VALUE &&
			text_utf8_valid((const char *)record->key, record->key_size);

	if (readable) {
		memcpy(text, record->key, record->key_size);
		text[record->key_size] = '\0';
	} else {
		text_hex(record->key, record->key_size, text);
	}
	ctl_put_text(out, "key", text);
}

static void put_record(struct pack *out, const struct record *record)
{
	char hash[2 * sizeof(struct hash) + 1], stamp[24];

	snprintf(stamp, sizeof(stamp), "%llu", (unsigned long long)record->stamp);
	pack_put_map(out, 7);
	ctl_put_text(out, "type", record_type_label(record->type));
	ctl_put_id(out, "author", &record->author);
	put_key(out, record);
	ctl_put_text(out, "stamp", stamp);
	ctl_put_time(out, "expires", (wtime_t){record->expiry_ms});
	ctl_put_number(out, "bytes", record->size);
	ctl_put_text(out, "hash", text_hex(&record->hash, sizeof(record->hash), hash));
}

static void put_store(struct pack *out, struct daemon *daemon)
{
	struct gossip_status status;
	const struct record *record = NULL;
	char digest[2 * DIGEST_SIZE + 1];
	uint32_t shown = 0;

	gossip_status(daemon->gossip, &status);
	while (shown < CTL_DUMP_RECORDS_MAX &&
		(record = gossip_record_after(daemon->gossip, record)))
		shown++;
	pack_put_str(out, "store");
	pack_put_map(out, 4);
	ctl_put_number(out, "count", status.records);
	ctl_put_number(out, "bytes", status.records_size);
	ctl_put_text(out, "digest", text_hex(status.digest, DIGEST_SIZE, digest));
	pack_put_str(out, "records");
	pack_put_array(out, shown);
	record = NULL;
	while (shown-- > 0) {
		record = gossip_record_after(daemon->gossip, record);
		put_record(out, record);
	}
}

/* ---- what is wanted, and what is there ---- */

static void put_prefixes(
	struct pack *out, const char *key, const struct prefix *prefixes, size_t count)
{
	char text[TEXT_PREFIX_SIZE];

	pack_put_str(out, key);
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		pack_put_str(out, text_prefix(&prefixes[i], text));
}

/* Neither its private key nor any preshared one. */
static void put_peer(struct pack *out, const struct wg_peer *peer)
{
	char key[TEXT_KEY_SIZE];

	pack_put_map(out, 7);
	ctl_put_text(out, "public_key", text_key(peer->public_key, key));
	ctl_put_endpoint(out, "endpoint", &peer->endpoint);
	ctl_put_number(out, "keepalive_s", peer->keepalive_s);
	put_prefixes(out, "allowed", peer->allowed, peer->allowed_count);
	ctl_put_time(out, "latest_handshake", peer->last_handshake);
	ctl_put_number(out, "rx_bytes", peer->rx_bytes);
	ctl_put_number(out, "tx_bytes", peer->tx_bytes);
}

#define DEVICE_FIELDS 4

static void put_device(struct pack *out, const struct wg_device *device)
{
	char key[TEXT_KEY_SIZE];

	ctl_put_text(out, "interface", device->name);
	ctl_put_text(out, "public_key", text_key(device->public_key, key));
	ctl_put_number(out, "listen_port", device->listen_port);
	pack_put_str(out, "peers");
	pack_put_array(out, device->peer_count);
	for (uint32_t i = 0; i < device->peer_count; i++)
		put_peer(out, &device->peers[i]);
}

static void put_plan(struct pack *out, const struct plan *plan)
{
	pack_put_str(out, "plan");
	pack_put_map(out, DEVICE_FIELDS + 6);
	put_device(out, &plan->device);
	ctl_put_flag(out, "up", plan->up);
	ctl_put_number(out, "mtu", plan->mtu);
	put_prefixes(out, "addresses", plan->addresses, plan->address_count);
	pack_put_str(out, "routes");
	pack_put_array(out, (uint32_t)plan->route_count);
	for (size_t i = 0; i < plan->route_count; i++) {
		char text[TEXT_PREFIX_SIZE];

		pack_put_str(out, text_prefix(&plan->routes[i].dst, text));
	}
	ctl_put_number(out, "clashes", plan->clashes);
	ctl_put_number(out, "without_keys", plan->unready);
}

static void put_observed(struct pack *out, struct daemon *daemon)
{
	const struct wg_device *device = recon_observed(daemon->recon);
	const struct recon_host *host = recon_host(daemon->recon);

	pack_put_str(out, "observed");
	pack_put_map(out, 3);
	pack_put_str(out, "wireguard");
	if (device) {
		pack_put_map(out, DEVICE_FIELDS);
		put_device(out, device);
	} else {
		pack_put_nil(out);
	}
	ctl_put_number(out, "underlay_mtu", host->underlay_mtu);
	pack_put_str(out, "host_addresses");
	pack_put_array(out, (uint32_t)host->addrs.count);
	for (size_t i = 0; i < host->addrs.count; i++) {
		char text[TEXT_PREFIX_SIZE];

		pack_put_str(out, text_prefix(&host->addrs.items[i].prefix, text));
	}
}

/* ---- what was done ---- */

static void put_journal(struct pack *out, const char *key, const struct recon_journal *journal,
	enum recon_journal_kind kind)
{
	const struct recon_journal_entry *entry;
	uint32_t count = 0;

	while (recon_journal_at(journal, kind, count))
		count++;
	pack_put_str(out, key);
	pack_put_array(out, count);
	for (size_t i = 0; (entry = recon_journal_at(journal, kind, i)); i++) {
		pack_put_map(out, 2);
		ctl_put_time(out, "time", entry->when);
		pack_put_str(out, "text");
		ipc_put_words(out, entry->text, strlen(entry->text));
	}
}

static void put_kernel(struct pack *out, struct daemon *daemon)
{
	const struct recon_faults *faults = recon_faults(daemon->recon);
	uint32_t failing = 0;

	put_journal(out, "last_operations", &faults->journal, RECON_JOURNAL_OP);
	put_journal(out, "last_errors", &faults->journal, RECON_JOURNAL_ERROR);
	for (enum recon_object i = 0; i < RECON_OBJECTS; i++)
		failing += faults->of[i].text[0] != '\0';
	pack_put_str(out, "failing");
	pack_put_array(out, failing);
	for (enum recon_object i = 0; i < RECON_OBJECTS; i++) {
		if (!faults->of[i].text[0])
			continue;
		pack_put_map(out, 3);
		ctl_put_text(out, "object", recon_object_label(i));
		pack_put_str(out, "text");
		ipc_put_words(out, faults->of[i].text, strlen(faults->of[i].text));
		ctl_put_number(out, "tries", faults->counts[i]);
	}
}

static void put_segments(struct pack *out, struct daemon *daemon)
{
	const struct recon_faults *faults;
	struct recon_l2_status status;
	const char *name;
	uint32_t count = 0;

	while (recon_l2_faults(daemon->l2, count, &name))
		count++;
	pack_put_str(out, "segments");
	pack_put_array(out, count);
	for (size_t i = 0; (faults = recon_l2_faults(daemon->l2, i, &name)); i++) {
		recon_l2_status(daemon->l2, name, &status);
		pack_put_map(out, 4);
		ctl_put_text(out, "name", *name ? name : NULL);
		ctl_put_text(out, "problem", *name ? status.problem : NULL);
		put_journal(out, "last_operations", &faults->journal, RECON_JOURNAL_OP);
		put_journal(out, "last_errors", &faults->journal, RECON_JOURNAL_ERROR);
	}
}

void ctl_dump_run(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	struct pack *out = ctl_client_begin_ok(client);

	(void)request;
	pack_put_map(out, 15);
	ctl_put_text(out, "version", MESHD_VERSION);
	ctl_put_time(out, "time", daemon_time(daemon).wall);
	ctl_put_time(out, "started", daemon->started);
	pack_put_str(out, "status");
	ctl_status_put(out, daemon);
	put_config(out, &daemon->config);
	put_gossip(out, daemon);
	put_disk(out, daemon);
	put_store(out, daemon);
	put_plan(out, recon_plan(daemon->recon));
	put_observed(out, daemon);
	put_kernel(out, daemon);
	put_segments(out, daemon);
	ctl_client_end_ok(client);
}
