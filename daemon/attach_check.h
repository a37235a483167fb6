/*
 * What `l2 attach` is asked for, held against this host and its mesh before anything is changed:
 * what cannot work, or would cut something off that works, is refused, and a text says why.
 */
#ifndef MESHD_DAEMON_ATTACH_CHECK_H
#define MESHD_DAEMON_ATTACH_CHECK_H

#include "daemon/attach.h"

/* Words to plain data. ERR_INVALID, with a text in daemon_error(), as below: no address or name of
 * an interface, one given twice, one that no host can have. */
int attach_check_addresses(struct daemon *daemon, const char *const *words, size_t count,
	struct attach *attach) MUST_CHECK;
int attach_check_ports(struct daemon *daemon, const char *const *words, size_t count,
	struct attach *attach) MUST_CHECK;

/* Networks that are elsewhere already: the overlay's, another segment's, another interface's. Ports
 * that are not there, or somebody else's, or in use. Names that somebody else's interfaces have.
 * ERR_STATE, ERR_SYSTEM. Asks the kernel, once for each thing: some milliseconds. */
int attach_check_host(struct daemon *daemon, const struct attach *attach, uint32_t vni) MUST_CHECK;

#endif
