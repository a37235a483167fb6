/*
 * Whoever makes WireGuard run: the kernel, or a process that speaks the UAPI socket. One interface,
 * driven by somebody else's loop:
 *
 *   call wg_backend_step() at first, whenever `fd` is readable and whenever `deadline` is reached,
 *   and read both again afterwards; observe and apply while it is WG_RUNNING.
 *
 * Steps never wait. Observing and applying wait for an answer that is there at once, for at most
 * 2 s where something is broken; after such a failure the state says so and steps see to it. A new
 * `generation` means another device than before: what was known of it is void.
 *
 * Errors are ERR_NOT_READY (starting, or waiting before the next try), ERR_UNSUPPORTED (this host
 * has no such backend), ERR_STATE (something else has the interface's name), ERR_IN_USE (something
 * else has the port), ERR_UNKNOWN (it has gone), ERR_TIMEOUT, ERR_SYSTEM, ERR_NOMEM; `error` has
 * the words for people.
 */
#ifndef MESHD_WG_WG_BACKEND_H
#define MESHD_WG_WG_BACKEND_H

#include "wg/nl.h"
#include "wg/wg.h"

enum wg_backend_kind {
	WG_BACKEND_AUTO, /* the one that has the interface already, else the kernel's if it can */
	WG_BACKEND_KERNEL,
	WG_BACKEND_USERSPACE,
};

#define WG_BACKEND_STATES(X)                                            \
	X(WG_DOWN, "down")	   /* to be started by the next step */ \
	X(WG_STARTING, "starting") /* started, does not answer yet */   \
	X(WG_RUNNING, "running")                                        \
	X(WG_WAITING, "waiting") /* has failed; `deadline` is the next try */

enum wg_backend_state {
#define X(name, text) name,
	WG_BACKEND_STATES(X)
#undef X
};

struct wg_backend {
	const struct wg_backend_class *class;
	char name[WG_NAME_SIZE];
	enum wg_backend_state state;
	uint32_t ifindex; /* while running */
	uint32_t generation;
	int fd; /* to be polled for reading; -1: none */
	mtime_t deadline;
	char error[NL_ERROR_MAX]; /* of the last failure; empty again once it runs */
};

struct wg_backend_config {
	const char *command; /* userspace: split at blanks, %i is the interface; no shell */
	int output; /* userspace: its stdout and stderr, never a pipe of ours; -1: /dev/null */
};

/* nl is borrowed. The text for people of a failure is nl_error()'s. */
int wg_backend_new(enum wg_backend_kind kind, struct nl *nl, const char *name,
	const struct wg_backend_config *config, struct wg_backend **ret) MUST_CHECK;
/* Leaves the interface, and the process that serves it, as they are. */
void wg_backend_free(struct wg_backend *backend);

const char *wg_backend_name(const struct wg_backend *backend); /* "kernel", "userspace" */
const char *wg_backend_state_name(enum wg_backend_state state);

int wg_backend_step(struct wg_backend *backend, mtime_t now) MUST_CHECK;
int wg_backend_observe(struct wg_backend *backend, struct wg_device *ret) MUST_CHECK;
/* In order; at an error what came before stays: observe again. */
int wg_backend_apply(struct wg_backend *backend, const struct wg_ops *ops) MUST_CHECK;
/* Takes the interface down for good, also one that an earlier process left; waits for up to 1 s. */
int wg_backend_stop(struct wg_backend *backend) MUST_CHECK;

/* For the backends themselves. */
struct wg_backend_class {
	const char *name;
	int (*step)(struct wg_backend *backend, mtime_t now);
	int (*observe)(struct wg_backend *backend, struct wg_device *ret);
	int (*apply)(struct wg_backend *backend, const struct wg_ops *ops);
	int (*stop)(struct wg_backend *backend);
	void (*free)(struct wg_backend *backend);
};

int wg_kernel_new(struct nl *nl, const char *name, struct wg_backend **ret) MUST_CHECK;
int wg_userspace_new(struct nl *nl, const char *name, const struct wg_backend_config *config,
	struct wg_backend **ret) MUST_CHECK;
__attribute__((format(printf, 3, 4))) int wg_backend_fail(
	struct wg_backend *backend, int err, const char *format, ...);

#endif
