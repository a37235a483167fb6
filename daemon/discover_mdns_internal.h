/* The avahi thread's insides: discover_mdns.c (its life, and the client's), discover_browse.c (what
 * others announce), discover_publish.c (what this node does). */
#ifndef MESHD_DAEMON_DISCOVER_MDNS_INTERNAL_H
#define MESHD_DAEMON_DISCOVER_MDNS_INTERNAL_H

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>

#include "daemon/discover_mdns.h"

/* What was refused, or fails, is tried again. */
#define DISCOVER_RETRY_MS 2000

/* One interface on which mDNS is spoken. */
struct discover_speaker {
	struct discover_link link;
	AvahiServiceBrowser *browser; /* NULL: to be made */
	bool browser_failed;
	/* NULL: to be made. Each has a name of its own: of one name on two interfaces avahi-daemon
	 * would take back only one (its issue 139). */
	AvahiEntryGroup *group;
	char instance[DISCOVER_INSTANCE_SIZE];
	bool collided; /* another name is needed */
};

/* What is announced, everywhere alike. */
struct discover_announce {
	bool only4;
	uint16_t port;
	bool is_member;
	struct id mesh;
};

struct discover_thread {
	struct discover_want want;
	AvahiSimplePoll *poll;
	AvahiClient *client;  /* NULL: to be made */
	bool running;	      /* avahi-daemon is there, and has a host name */
	bool withdrawn;	      /* it is getting another host name: what is announced is void */
	bool failed;	      /* the client is of no use any more */
	mtime_t connect_next; /* not before that */
	mtime_t retry_next;   /* what was refused is tried again then; NEVER: nothing was */
	char why[DISCOVER_WHY_SIZE];

	size_t speaker_count;
	struct discover_speaker speakers[DISCOVER_LINKS_MAX];

	uint8_t salt[DISCOVER_SALT_SIZE];
	struct discover_announce announced;
	mtime_t collisions; /* of the rate at which other names are taken */

	struct discover_table table;
	bool table_changed;
	unsigned resolvers;   /* that exist */
	mtime_t browse_again; /* NEVER: nobody was displaced */
};

mtime_t discover_mdns_now(void);
/* avahi-daemon refused that: said to people, and tried again. */
void discover_mdns_refused(struct discover_thread *thread, const char *what, int error);

/* discover_browse.c */
void discover_browse_turn(struct discover_thread *thread, mtime_t now);
mtime_t discover_browse_deadline(const struct discover_thread *thread);
/* The speaker is to be no more; what was seen there goes with it. */
void discover_browse_end(struct discover_thread *thread, struct discover_speaker *speaker);

/* discover_publish.c */
void discover_publish_turn(struct discover_thread *thread, mtime_t now);
void discover_publish_end(struct discover_speaker *speaker);

#endif
