/*
 * A process that outlives us: started in a session of its own, with none of our descriptors and no
 * pipe of ours (wireguard-go dies of SIGPIPE at its next line once the reader has gone), watched by
 * a pidfd, and taken over again by whoever comes after us. wireguard-go is no child of the daemon
 * that adopts it, and its pidfd tells of its end all the same.
 */
#ifndef MESHD_WG_WG_CHILD_H
#define MESHD_WG_WG_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gossip/base/err.h"

#define WG_CHILD_ARGS_MAX    32
#define WG_CHILD_COMMAND_MAX 1024
#define WG_CHILD_REASON_SIZE 64

struct wg_child {
	pid_t pid; /* 0: none */
	int fd;	   /* pidfd: readable once it has ended; -1: cannot be watched */
	bool own;  /* our child: reaped here */
};

#define WG_CHILD_NONE ((struct wg_child){.fd = -1})

/* The command is split at blanks; %i in a word becomes the name. ERR_INVALID: no words, or more
 * than fit. ERR_UNSUPPORTED: no such program. ERR_SYSTEM: errno says. */
int wg_child_start(
	struct wg_child *child, const char *command, const char *name, int output) MUST_CHECK;
/* Watches a process that somebody else started; where that cannot be, child->fd is -1. */
void wg_child_adopt(struct wg_child *child, pid_t pid);
/* Whether it has ended, and how, where that can be told. It is reaped then and the child is none.
 */
bool wg_child_ended(struct wg_child *child, char ret_reason[WG_CHILD_REASON_SIZE]);
/* Sends a signal to that process and no other that may have its number now. */
void wg_child_signal(const struct wg_child *child, int number);
/* Waits for its end; false when the time is over. */
bool wg_child_wait(struct wg_child *child, int timeout_ms);
/* Lets go of it without ending it. */
void wg_child_forget(struct wg_child *child);

#endif
