/* What users do meanwhile: any of them to any key, on any node. */
#include <stdio.h>

#include "tests/meshsim/faults_internal.h"

#define BURST	   4
#define SMALL_SIZE 64
#define LARGE_SIZE 6000 /* far beyond a datagram */
#define LARGE	   0.1
#define DELETE	   0.3

static void put(struct faults *f, int node, const char *key)
{
	uint8_t value[LARGE_SIZE];
	size_t size = (size_t)faults_below(f, faults_chance(f, LARGE) ? LARGE_SIZE : SMALL_SIZE);
	uint64_t stamp, ticket;

	rng_bytes(&f->rng, value, size);
	/* refused where its clock is far off, or it is no member (any more) */
	if (gossip_put(cluster_core(f->cluster, node), faults_time(f, node), key, strlen(key),
		    value, size, &stamp, &ticket) == 0)
		faults_count(f, FAULT_PUTS);
}

static void drop_value(struct faults *f, int node, const char *key)
{
	uint64_t stamp, ticket;

	if (gossip_delete(cluster_core(f->cluster, node), faults_time(f, node), key, strlen(key),
		    &stamp, &ticket) == 0)
		faults_count(f, FAULT_DELETES);
}

bool faults_value(struct faults *f)
{
	int count = 1 + faults_below(f, BURST), node = faults_any(f);
	char key[8];

	if (!f->enabled[FAULT_PUTS] || node < 0)
		return false;
	while (count--) {
		snprintf(key, sizeof(key), "k%d", faults_below(f, INVARIANTS_KEYS));
		if (f->enabled[FAULT_DELETES] && faults_chance(f, DELETE))
			drop_value(f, node, key);
		else
			put(f, node, key);
		cluster_drain(f->cluster, node);
	}
	return true;
}
