/* One segment looked at, compared and put right, at the cost of what differs. */
#ifndef MESHD_L2_L2_SYNC_H
#define MESHD_L2_L2_SYNC_H

#include "l2/l2.h"

/* What is made has an index at the next look only: bridge, VXLAN device, its place on the bridge,
 * and up. One that is to be made anew takes one more. More rounds are somebody's contest with us.
 */
#define L2_SYNC_ROUNDS 6

struct l2_link_report {
	bool bridge_taken, vxlan_taken;		     /* by somebody else: nothing was done */
	struct l2_link_op failed;		     /* with an error: what was being done */
	enum l2_port_fault ports[L2_PORTS_MAX];	     /* of those wanted */
	int port_errors[L2_PORTS_MAX];		     /* why the kernel does not take one */
	char port_texts[L2_PORTS_MAX][NL_ERROR_MAX]; /* and its words */
	size_t ops;				     /* that it took */
};

/* Links are as seen last: what is done here is looked at again, and stands there. ERR_STATE: a name
 * is somebody else's, or the VNI is in use on this host. ERR_NOT_READY: others keep changing it.
 * The rest is nl.h's. */
int l2_sync_links(struct nl *nl, const struct l2_want *want, struct l2_links *links,
	struct l2_link_report *ret) MUST_CHECK;

/* Whether a link of this name is wanted. */
typedef bool (*l2_wanted_cb)(const void *context, const char *name);
/* What bears the mark and is not wanted goes; links are as they were. The first error is answered,
 * and does not hold up the others. */
int l2_sync_leftovers(struct nl *nl, const char *mark, l2_wanted_cb wanted, const void *context,
	const struct l2_links *links, size_t *ret_removed) MUST_CHECK;

/* Looks at the entries of a segment whose links are there. ERR_NOT_READY: they are not. */
int l2_sync_look(struct nl *nl, const struct l2_want *want, const struct l2_links *links,
	mtime_t now, struct l2_table *ret) MUST_CHECK;

/* Puts entries right, as far as one diff goes; the table is as it was. An entry that the kernel
 * refuses does not hold up the others: the first such error is answered. */
int l2_sync_entries(struct nl *nl, const struct l2_want *want, const struct l2_table *table,
	struct l2_entry_ops *ret_ops) MUST_CHECK;

#endif
