/* How things that several verbs show look in text. */
#ifndef MESHD_CLI_DESCRIBE_H
#define MESHD_CLI_DESCRIBE_H

#include "cli/cli.h"

/* What this node is now part of, after `init` or `join`; how: "founded", "joined". */
void describe_belonging(struct cli *cli, const json_t *result, const char *how);
/* What has been done with a node, {"name", "id"}: "is kept". */
void describe_outcome(struct cli *cli, const json_t *result, const char *outcome);
/* The object's "warnings", each on a line. */
void describe_warnings(struct cli *cli, const json_t *result);
/* What doctor and why have found, on a line, and what to do about it on another: "state", what is
 * under the key, "finding", "advice"; the first two as wide as said. */
void describe_finding(
	struct cli *cli, const json_t *found, const char *key, int state_width, int key_width);
/* A member's or this node's state. */
enum screen_tint describe_state(const char *state);
/* An overlay address without the length that every host's address has. */
const char *describe_address(const char *address, char buf[64]);
/* All of them; with `brief` the first IPv4 address alone, with a hint that there is more. Release
 * with free. */
char *describe_addresses(const json_t *object, bool brief);

#endif
