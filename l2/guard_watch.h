/*
 * Tells when somebody, we too, changes the guard's table: nftables' events (nfnetlink group
 * NFNLGRP_NFTABLES, linux/netfilter/nf_tables.h). Hints, as all events are.
 */
#ifndef MESHD_L2_GUARD_WATCH_H
#define MESHD_L2_GUARD_WATCH_H

#include <linux/netlink.h>

#include "l2/guard.h"

struct guard_watch;

/* ERR_NOMEM; ERR_SYSTEM: there are no such events here. */
int guard_watch_new(const char *interface, struct guard_watch **ret) MUST_CHECK;
void guard_watch_free(struct guard_watch *watch);
int guard_watch_fd(const struct guard_watch *watch); /* readable: drain */
/* Whether any of the events is about the table, or some were lost. */
bool guard_watch_drain(struct guard_watch *watch);

/* Whether this event is about the table of that name, or cannot be read. Pure. */
bool guard_watch_concerns(const struct nlmsghdr *msg, const char *table);

#endif
