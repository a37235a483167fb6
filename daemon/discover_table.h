/*
 * What mDNS has told: one row for each (instance, interface, protocol), until it is taken back.
 * Anybody on a LAN can announce as much as they like, so the rows are bounded: a newcomer takes the
 * place of a random other, never of one of this mesh while there is one of none. Pure; randomness
 * is a parameter.
 */
#ifndef MESHD_DAEMON_DISCOVER_TABLE_H
#define MESHD_DAEMON_DISCOVER_TABLE_H

#include "daemon/discover_txt.h"
#include "gossip/base/mtime.h"

#define DISCOVER_INSTANCE_SIZE 64 /* of a service's name, and NUL (RFC 6763, 4.1.1) */
#define DISCOVER_ROWS_MAX      512

struct discover_row {
	bool used;
	char instance[DISCOVER_INSTANCE_SIZE];
	uint32_t ifindex;
	uint8_t family; /* 4 or 6: over which mDNS it came, and of its address */

	bool resolved; /* what follows is known */
	struct endpoint endpoint;
	struct discover_txt txt;
	bool ours; /* of the mesh that is looked for, by its tag, which whoever saw it can repeat */

	void *resolver; /* the owner's, or NULL */
	mtime_t next;	/* when it is asked for (again) */
	unsigned tries;
};

struct discover_table {
	size_t count;
	uint64_t displaced; /* rows that made room, ever */
	struct discover_row rows[DISCOVER_ROWS_MAX];
};

struct discover_row *discover_table_find(
	struct discover_table *table, const char *instance, uint32_t ifindex, uint8_t family);
/* The row that a newcomer is to have: free, or to be displaced, and then it is the caller's to
 * release what it holds before discover_table_put. */
struct discover_row *discover_table_room(struct discover_table *table, uint32_t random);
/* ERR_INVALID: no instance name. */
int discover_table_put(struct discover_table *table, struct discover_row *row, const char *instance,
	uint32_t ifindex, uint8_t family) MUST_CHECK;
void discover_table_remove(struct discover_table *table, struct discover_row *row);
/* Which rows are of this mesh; NULL: this node looks for none. Whether any is another one now. */
bool discover_table_judge(struct discover_table *table, const struct id *mesh);

#endif
