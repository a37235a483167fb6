/* L2 segments meanwhile: made and deleted, attached to by anybody, with hosts that wander about;
 * and a member that claims those of others. */
#include <assert.h>
#include <stdio.h>

#include "gossip/gossip_internal.h"
#include "tests/meshsim/faults_internal.h"

#define SEGMENTS 3
#define VNI	 100 /* and those after it; now and then two have one */
#define HOSTS	 12
#define DELETE	 0.1
#define DETACH	 0.2
#define CLAIMED	 3 /* of a bucket, by a liar */

static void host_mac(int host, uint8_t ret[6])
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)host};

	memcpy(ret, mac, sizeof(mac));
}

static void draw_name(struct faults *f, char ret[SEGMENT_NAME_MAX + 1])
{
	snprintf(ret, SEGMENT_NAME_MAX + 1, "l%d", faults_below(f, SEGMENTS));
}

/* Refused where it is no admin, is there already, or is not there any more. */
static bool configure(struct faults *f, int node)
{
	struct gossip *g = cluster_core(f->cluster, node);
	struct segment segment = {.vni = VNI + (uint32_t)faults_below(f, SEGMENTS),
		.automatic = faults_chance(f, 0.3),
		.flood = faults_chance(f, 0.1)};
	char name[SEGMENT_NAME_MAX + 1];
	uint64_t ticket;
	int err;

	draw_name(f, name);
	if (faults_chance(f, DELETE))
		err = gossip_segment_delete(g, faults_time(f, node), name, &ticket);
	else
		err = gossip_segment_create(g, faults_time(f, node), name, &segment, &ticket);
	return err == 0;
}

static bool attach(struct faults *f, int node)
{
	struct gossip *g = cluster_core(f->cluster, node);
	char name[SEGMENT_NAME_MAX + 1];

	draw_name(f, name);
	gossip_segments_enable(g, faults_time(f, node), !faults_chance(f, 0.1));
	return (faults_chance(f, DETACH)
			       ? gossip_segment_detach(g, faults_time(f, node), name)
			       : gossip_segment_attach(g, faults_time(f, node), name)) == 0;
}

static bool tell_hosts(struct faults *f, int node)
{
	struct gossip *g = cluster_core(f->cluster, node);
	struct gossip_host hosts[HOSTS] = {{.ip_count = 0}};
	size_t count = 0;

	if (g->own_segment_count == 0)
		return false;

	for (int i = 0; i < HOSTS; i++) {
		if (!faults_chance(f, 0.3))
			continue;
		hosts[count] = (struct gossip_host){.fresh = faults_chance(f, 0.5), .ip_count = 1};
		hosts[count].ips[0] = (struct ip){4, {192, 0, 2, (uint8_t)faults_below(f, 256)}};
		host_mac(i, hosts[count++].mac);
	}
	gossip_macs_set(g, faults_time(f, node),
		g->own_segments[faults_below(f, (int)g->own_segment_count)].vni, hosts, count);
	return true;
}

bool faults_segment(struct faults *f)
{
	static const struct {
		enum fault fault;
		bool (*begin)(struct faults *f, int node);
	} kinds[] = {{FAULT_SEGMENTS, configure}, {FAULT_ATTACHMENTS, attach},
		{FAULT_ATTACHMENTS, attach}, {FAULT_HOSTS, tell_hosts}, {FAULT_HOSTS, tell_hosts},
		{FAULT_HOSTS, tell_hosts}};
	int kind = faults_below(f, ARRAY_SIZE(kinds));
	int node = kind == 0 ? 0 : faults_any(f); /* the founder is an admin */
	bool done;

	if (!f->enabled[FAULT_SEGMENTS] || node < 0 || !faults_is_well(f, node))
		return false;
	done = kinds[kind].begin(f, node);
	cluster_drain(f->cluster, node);
	if (done)
		faults_count(f, kinds[kind].fault);
	return done;
}

/* A bucket in a liar's name: hosts that others have, by a number that hardly anybody outbids. */
struct record *faults_segment_claim(struct faults *f, uint64_t stamp)
{
	const struct keys *keys = cluster_keys(f->cluster, f->evil);
	struct macs_entry entries[CLAIMED] = {{.ip_count = 0}};
	uint8_t key[MACS_KEY_SIZE], value[256], mac[6], bucket;
	struct record_draft draft = {
		.type = RECORD_MACS, .key = key, .key_size = sizeof(key), .stamp = stamp};
	struct record *record;
	struct pack pack;
	size_t count = 0;
	int err;

	host_mac(faults_below(f, HOSTS), mac);
	bucket = macs_bucket(mac);
	for (int i = 0; i < HOSTS && count < CLAIMED; i++) {
		struct macs_entry *entry = &entries[count];

		host_mac(i, entry->mac);
		if (macs_bucket(entry->mac) != bucket)
			continue;
		entry->sequence = faults_chance(f, 0.3) ? UINT32_MAX : (uint32_t)faults_below(f, 9);
		entry->frozen = faults_chance(f, 0.2);
		count++;
	}
	macs_key(VNI + (uint32_t)faults_below(f, SEGMENTS), bucket, key);
	pack_init(&pack, value, sizeof(value));
	macs_encode(entries, count, &pack);
	draft.value = value;
	draft.value_size = pack.size;
	err = record_sign(&cluster_core(f->cluster, f->evil)->mesh, keys, &draft, &record);
	assert(err == 0);
	(void)err;
	return record;
}
