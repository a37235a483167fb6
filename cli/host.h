/* What `meshctl doctor` can see of this host without a daemon and without rights. */
#ifndef MESHD_CLI_HOST_H
#define MESHD_CLI_HOST_H

#include <jansson.h>
#include <stdbool.h>

enum host_state { HOST_OK, HOST_WARN, HOST_FAIL };

/* Appends {check, state, finding, advice} to an array; advice may be NULL. */
void host_add(json_t *checks, const char *check, enum host_state state, const char *finding,
	const char *advice);
/* Appends all checks. */
void host_check(json_t *checks);

bool host_has_ipv6(void);
/* Whether this host routes for others, in words; release with free. */
char *host_describe_forwarding(void);

#endif
