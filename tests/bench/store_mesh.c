/*
 * A state directory of a node that belongs to a large mesh, as it would be after a long life in it:
 * the records of all members, and where each was last reached.
 *
 *	bench-store_mesh DIR MEMBERS		DIR is made, for the mesh's first member
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sodium.h>
#include <sys/stat.h>

#include "daemon/keyfile.h"
#include "daemon/state.h"
#include "gossip/record/hlc.h"
#include "gossip/record/record.h"
#include "tests/support/records.h"

#define MEMBERS_MAX 60000 /* below the number of the first invite's keys, less room for more */
#define INVITE	    100000
#define FOUNDED_AGO (30 * 24 * 3600)
#define PORT	    8946
#define WIREGUARD   51820
#define OVERLAY_MTU 1420

static void check(const char *what, int err, const char *why)
{
	if (err) {
		fprintf(stderr, "%s: %s: %s\n", what, err_text(err), why);
		exit(1);
	}
}

/* A moment so many seconds after the mesh was founded. */
static uint64_t at(unsigned seconds)
{
	return hlc_from_ms(((int64_t)time(NULL) - FOUNDED_AGO + seconds) * 1000);
}

/* In 10/8: on no host that this may run on does any of them answer. */
static struct endpoint endpoint_of(unsigned node)
{
	return (struct endpoint){
		.ip = {.family = 4, .b = {10, 200, (uint8_t)(node >> 8), (uint8_t)node}},
		.port = PORT};
}

static void keep(struct state *state, struct record *record)
{
	check("record", state_put_record(state, 0, &record->hash, record->bytes, record->size, 0),
		"");
	record_unref(record);
}

static void keep_member(struct state *state, unsigned node)
{
	struct descriptor descriptor = {.wireguard_port = WIREGUARD,
		.mtu = OVERLAY_MTU,
		.endpoint_count = 1,
		.endpoints = {endpoint_of(node)}};
	struct endpoint endpoint = endpoint_of(node);
	struct id id = records_id(node);

	keep(state, records_member(1, node, INVITE + node, 1, at(10 * node)));
	keep(state, records_keep(1, node, at(10 * node + 1)));
	keep(state, records_descriptor(node, at(10 * node + 2), &descriptor));
	if (node != 1)
		check("endpoint", state_put_endpoint(state, 0, &id, &endpoint), "");
}

static void write_keys(const char *dir, struct id *ret)
{
	char error[KEYFILE_ERROR_SIZE];
	struct keyfile *file;

	check(dir, keyfile_open(dir, &file, error), error);
	records_keys(1, &file->identity);
	records_keys(1 + RECORDS_WIREGUARD, &file->wireguard);
	file->has_mesh = true;
	file->mesh = *records_mesh();
	*ret = file->identity.id;
	check(dir, keyfile_write(file, dir, error), error);
	keyfile_free(file);
}

int main(int argc, char **argv)
{
	char error[STATE_ERROR_SIZE] = "";
	unsigned members = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	struct state_info info;
	struct state *state;
	struct id self;

	if (members < 1 || members > MEMBERS_MAX || sodium_init() < 0) {
		fprintf(stderr, "usage: bench-store_mesh DIR MEMBERS\n");
		return 2;
	}
	check(argv[1], mkdir(argv[1], 0700) ? ERR_SYSTEM : 0, "it must not be there yet");
	write_keys(argv[1], &self);
	check(argv[1],
		state_open(argv[1], &self, (wtime_t){time(NULL) * 1000LL}, &state, &info, error),
		error);
	keep(state, records_charter(at(0)));
	keep(state, records_grant(1, at(0)));
	for (unsigned node = 1; node <= members; node++)
		keep_member(state, node);
	check("mesh", state_put_mesh(state, 0, records_mesh()), "");
	check("generation", state_put_generation(state, 0, 1), "");
	check(argv[1], state_flush(state, error), error);
	state_free(state);
	return 0;
}
