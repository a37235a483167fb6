/*
 * One node: the event loop, the gossip core and what the two of them drive. Everything runs on the
 * loop's thread but the storage thread (state.h).
 *
 * Once per turn of the loop the core's effects are turned into datagrams, stream writes, database
 * writes and events (loop.c); what changed asks for another look, and at most every
 * DAEMON_PLAN_INTERVAL_MS each part's changed() is called to take it.
 *
 * A part is a room of the daemon with a life of its own (reconcilers, control socket): daemon.c has
 * the list.
 */
#ifndef MESHD_DAEMON_DAEMON_H
#define MESHD_DAEMON_DAEMON_H

#include <uv.h>

#include "daemon/config.h"
#include "gossip/gossip.h"

#define DAEMON_PATH_SIZE    4096
#define DAEMON_ERROR_SIZE   512
#define DAEMON_WARNING_SIZE 320
#define DAEMON_PLAN_INTERVAL_MS                                           \
	20 /* a burst of news is planned for once; a person sees no delay \
	    */

struct ctl;
struct daemon;
struct discover;
struct events;
struct keyfile;
struct loop;
struct metrics;
struct recon;
struct recon_l2;
struct rotate;
struct state;
struct transport;
struct addresses;
struct attachments;
struct backup;

/* What a person should know about how it ended; text is never NULL, empty on success. */
typedef void (*daemon_done_cb)(void *arg, int err, const char *text);

struct daemon_options {
	char config[DAEMON_PATH_SIZE];
	bool config_named; /* by --config: it has to be there */
	char state_dir[DAEMON_PATH_SIZE];
	char socket[DAEMON_PATH_SIZE];
	bool has_level; /* --log-level wins over the file */
	enum config_level level;
};

/* All but start may be NULL. */
struct daemon_part {
	const char *name;
	/* The core is there and started. Logs what is wrong; ERR_SYSTEM ends the daemon. */
	int (*start)(struct daemon *daemon);
	/* Members, records, addresses or the state are (or may be) other ones. */
	void (*changed)(struct daemon *daemon);
	/* Keys show other values than before; at every turn in which they do. */
	void (*values)(struct daemon *daemon);
	/* A member answered gossip_ping. */
	void (*pong)(struct daemon *daemon, uint64_t ticket, int64_t rtt_us);
	/* daemon->config is the new one. */
	void (*reload)(struct daemon *daemon, const struct config *before);
	/* Closes its handles; the overlay stays up. Also called when start failed or never ran. */
	void (*stop)(struct daemon *daemon);
	/* Its last handle has closed. */
	void (*free)(struct daemon *daemon);
	/* meshd --cleanup: no daemon runs. Takes down what is ours; logs. ERR_SYSTEM. */
	int (*cleanup)(const struct config *config);
};

/* name: a condition the operator should know of, shown by status until it is cleared */
#define DAEMON_WARNING_LIST(X)                                  \
	X(STATE)     /* the database cannot be written */       \
	X(DAMAGED)   /* a damaged database was set aside */     \
	X(NO_IPV6)   /* the host has none */                    \
	X(ADVERTISE) /* an advertised name does not resolve */  \
	X(RELOAD)    /* the configuration could not be read */  \
	X(RESTART)   /* settings that take effect at a start */ \
	X(WIREGUARD) /* the data plane is not up, and why */    \
	X(NETWORK)   /* addresses or routes are not set */      \
	X(L2)	     /* a segment is not up, and why */         \
	X(ROTATE)    /* the next key waits for long */          \
	X(OVERLAP)   /* the mesh's prefix is also elsewhere */  \
	X(MDNS)	     /* nobody is looked for on the LAN */      \
	X(METRICS)   /* they are not served, and why */         \
	X(MESH)	     /* this node is revoked, or unwanted */

enum daemon_warning {
#define X(name) DAEMON_WARNING_##name,
	DAEMON_WARNING_LIST(X)
#undef X
		DAEMON_WARNINGS,
};

struct daemon {
	uv_loop_t loop;
	struct daemon_options options;
	struct config config;
	struct keyfile *keys;
	struct keys *rotated;  /* what WireGuard has while the key file is ahead; else NULL */
	struct gossip *gossip; /* another one after leaving: never keep it over a turn */
	struct state *state;
	struct transport *transport;
	struct addresses *addresses;
	struct events *events;
	struct loop *turn; /* loop.c */
	struct ctl *ctl;
	struct recon *recon;
	struct recon_l2 *l2;
	struct rotate *rotate;
	struct discover *discover;
	struct metrics *metrics;
	struct attachments *attachments; /* attach.h */
	wtime_t started;
	bool synced; /* the kernel vouches for the wall clock; asked again at synced_until */
	mtime_t synced_until;
	int lock_fd;
	uv_signal_t signals[3];
	uv_timer_t watchdog;
	bool stopping;
	int exit_status;
	/* daemon_mesh.c: who is told how it ended; done is NULL where nobody waits */
	struct daemon_request {
		bool active;
		daemon_done_cb done;
		void *arg;
	} joining, leaving, restoring;
	struct backup *restored; /* what is on its way to disk; NULL: nothing */
	char error[DAEMON_ERROR_SIZE];
	char *warnings[DAEMON_WARNINGS]; /* NULL: none of that kind */
};

/* The whole life of it: opens everything, runs until a signal ends it. The exit status. */
int daemon_run(const struct daemon_options *options, const struct config *config);
/* With no daemon running: takes down everything of ours that is up. The exit status. */
int daemon_cleanup(const struct daemon_options *options, const struct config *config);
/* Ends the loop; daemon_run returns exit_status once everything has closed. */
void daemon_stop(struct daemon *daemon, int exit_status);
/* Memory that only a start or a join needed goes back to the system. */
void daemon_trim(void);

struct gossip_time daemon_time(struct daemon *daemon);

/* What WireGuard is to have now: the key file's key once everything else is ready for it
 * (rotate.h). */
const struct keys *daemon_wireguard_keys(const struct daemon *daemon);

/* Asks for another look: every part's changed() is called soon. */
void daemon_wake(struct daemon *daemon);

/* Once everything up to this ticket is on disk: 0; ERR_SYSTEM when the disk refused it (the write
 * is tried again, but who asked is told now: the warning STATE has the reason). Never called from
 * inside. */
typedef void (*daemon_ticket_cb)(void *arg, int err);
int daemon_after_ticket(
	struct daemon *daemon, uint64_t ticket, daemon_ticket_cb done, void *arg) MUST_CHECK;
/* Whoever waited is gone: nothing is called with this arg any more, whatever it waited for (below
 * too). */
void daemon_forget(struct daemon *daemon, const void *arg);

/* Errors that are known at once are returned, with a text in daemon_error(); then done is not
 * called. Each ends durably before done is called with 0. */
struct daemon_init {
	const char *node_name;		/* NULL: the configuration's */
	const char *mesh_name;		/* NULL: "mesh" */
	struct prefix prefix4, prefix6; /* family 0: by the mesh id */
};
int daemon_init_mesh(struct daemon *daemon, const struct daemon_init *init, daemon_done_cb done,
	void *arg) MUST_CHECK;
int daemon_join_mesh(struct daemon *daemon, const char *token, const char *node_name,
	int64_t timeout_ms, daemon_done_cb done, void *arg) MUST_CHECK;
/* done once the mesh has been told, the identity is forgotten and changed() has been called for it:
 * daemon->gossip is an unjoined one then. */
int daemon_leave(struct daemon *daemon, bool force, daemon_done_cb done, void *arg) MUST_CHECK;
const char *daemon_error(const struct daemon *daemon);
/* What daemon_error() is to say; answers err. */
int daemon_refuse(struct daemon *daemon, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The host's addresses are other ones: tells the core. */
void daemon_addresses_changed(struct daemon *daemon);

/* Told once in the log when the text is another one, and in status until cleared. */
void daemon_warn(struct daemon *daemon, enum daemon_warning which, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void daemon_warn_clear(struct daemon *daemon, enum daemon_warning which);
/* Somebody who lists warnings: each with what to type against it. */
typedef void (*daemon_warning_cb)(void *arg, const char *text, const char *advice);

#endif
