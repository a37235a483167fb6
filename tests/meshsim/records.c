#include "tests/meshsim/records.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/record/hlc.h"
#include "gossip/trust/address.h"

#define MADE_BEFORE_MS (3600 * INT64_C(1000)) /* of the run */
#define INVITE_MS      (24 * MADE_BEFORE_MS)

struct maker {
	struct cluster *cluster;
	const struct keys *root, *admin;
	struct keys invite_keys;
	struct record *invite;
	struct charter charter;
	uint64_t stamp;
	struct record **records;
	size_t count;
	struct map taken; /* IPv4 addresses */
	struct ip *addresses;
};

static uint64_t next_stamp(struct maker *m)
{
	return m->stamp += UINT64_C(1) << 16; /* a millisecond */
}

static struct record *sign(struct maker *m, const struct keys *author, enum record_type type,
	const void *key, size_t key_size, struct pack *value)
{
	struct record_draft draft = {.type = type,
		.key = key,
		.key_size = key_size,
		.stamp = next_stamp(m),
		.value = value ? value->data : NULL,
		.value_size = value ? value->size : 0};
	struct record *record;
	int err;

	assert(!value || !value->failed);
	err = record_sign(&m->root->id, author, &draft, &record);
	assert(err == 0);
	(void)err;
	if (value)
		pack_done(value);
	m->records[m->count++] = record;
	return record;
}

static void make_authority(struct maker *m, int nodes)
{
	struct invite invite = {
		.uses = (uint32_t)nodes, .expires_ms = hlc_stamp_ms(m->stamp) + INVITE_MS};
	struct pack value;

	strcpy(m->charter.name, "sim");
	address_default_prefixes(&m->root->id, &m->charter.prefix4, &m->charter.prefix6);
	pack_init_growing(&value, RECORD_VALUE_MAX);
	charter_encode(&m->charter, &value);
	sign(m, m->root, RECORD_CHARTER, NULL, 0, &value);
	sign(m, m->root, RECORD_GRANT, &m->admin->id, sizeof(m->admin->id), NULL);
	invite.id = m->invite_keys.id;
	pack_init_growing(&value, RECORD_VALUE_MAX);
	invite_encode(&invite, &value);
	m->invite = sign(m, m->admin, RECORD_INVITE, &invite.id, sizeof(invite.id), &value);
}

static void make_admission(struct maker *m, int node)
{
	const struct keys *keys = cluster_keys(m->cluster, node);
	const struct id *mesh = &m->root->id;
	struct admission admission = {.invite_record = m->invite,
		.node = keys->id,
		.witness = m->admin->id,
		.stamp = next_stamp(m)};
	int err;

	snprintf(admission.name, sizeof(admission.name), "n%d", node);
	admission_sign_invite(
		mesh, &m->invite_keys, &keys->id, admission.name, &admission.invite_sig);
	admission_sign_witness(mesh, m->admin, &keys->id, admission.name, &m->invite_keys.id,
		admission.stamp, &admission.witness_sig);
	err = admission_sign(mesh, keys, &admission, &m->records[m->count]);
	assert(err == 0);
	(void)err;
	m->count++;
}

/* The first address that nobody has, as joins one after the other would have left it. */
static uint32_t choose_claim(struct maker *m, int node)
{
	struct id id = cluster_id(m->cluster, node);
	struct ip *ip = &m->addresses[node];
	uint32_t claim = 0;
	int err;

	do {
		address_ipv4(&m->charter.prefix4, &id, claim++, ip);
	} while (map_get(&m->taken, ip));
	err = map_put(&m->taken, ip, ip);
	assert(err == 0);
	(void)err;
	return claim - 1;
}

/* As the node itself would say it, so that it has nothing to add. */
static void make_descriptor(struct maker *m, int node)
{
	const struct keys *wireguard = cluster_wireguard_keys(m->cluster, node);
	struct id id = cluster_id(m->cluster, node);
	struct descriptor descriptor = {.wireguard_port = CLUSTER_WIREGUARD_PORT,
		.wireguard = wireguard->id,
		.claim = choose_claim(m, node),
		.mtu = CLUSTER_MTU,
		.version = CLUSTER_VERSION,
		.endpoint_count = 1,
		.endpoints = {cluster_endpoint(m->cluster, node)}};
	struct pack value;

	descriptor_prove(wireguard, &id, &descriptor.wireguard_proof);
	pack_init_growing(&value, RECORD_VALUE_MAX);
	descriptor_encode(&descriptor, &value);
	sign(m, cluster_keys(m->cluster, node), RECORD_DESCRIPTOR, NULL, 0, &value);
}

void records_install(struct cluster *cluster, struct rng *rng)
{
	int nodes = cluster_count(cluster);
	struct maker m = {.cluster = cluster,
		.root = cluster_root_keys(cluster, 0),
		.admin = cluster_keys(cluster, 0)};
	uint8_t seed[32];

	m.stamp = hlc_from_ms(cluster_time(cluster).wall.ms - MADE_BEFORE_MS);
	m.records = calloc((size_t)nodes * 2 + 3, sizeof(struct record *));
	m.addresses = calloc((size_t)nodes, sizeof(*m.addresses));
	assert(m.records && m.addresses);
	map_init(&m.taken, sizeof(struct ip), rng);
	rng_bytes(rng, seed, sizeof(seed));
	keys_from_seed(seed, &m.invite_keys);
	make_authority(&m, nodes);
	for (int i = 0; i < nodes; i++)
		make_admission(&m, i);
	for (int i = 0; i < nodes; i++)
		make_descriptor(&m, i);
	cluster_image(cluster, 0, m.records, m.count);
	for (int i = 0; i < nodes; i++)
		cluster_install(cluster, i);
	for (size_t i = 0; i < m.count; i++)
		record_unref(m.records[i]);
	free(m.records);
	free(m.addresses);
	map_done(&m.taken);
}
