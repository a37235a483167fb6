/* What each verb does with its request, and what several of them need. */
#ifndef MESHD_DAEMON_CTL_VERB_H
#define MESHD_DAEMON_CTL_VERB_H

#include "daemon/ctl_client.h"

/* Answers now or later, and exactly once. The request is borrowed for the call. The client's right
 * to it has been checked. */
void ctl_verb_run(struct ctl_client *client, const struct ipc_request *request);

/* Answers with what the core refused, in its words. */
void ctl_verb_refuse(struct ctl_client *client, int err);
/* The same of what the daemon refused: daemon_error(). */
void ctl_verb_refuse_daemon(struct ctl_client *client, int err);
/* done answers, once everything up to the ticket is on disk. Its arg is the client. */
void ctl_verb_await_disk(struct ctl_client *client, uint64_t ticket, daemon_ticket_cb done);
/* ERR_SYSTEM while the disk takes nothing: what would have to be written can be refused at once. */
int ctl_verb_disk_status(const struct ctl_client *client);
/* Whether err says that it is not on disk: answered then. */
bool ctl_verb_refused_by_disk(struct ctl_client *client, int err);

/* What gossip_resolve could not tell of the text. */
void ctl_verb_refuse_node(struct ctl_client *client, const char *text, int err);
/* Whom the argument `node` means; an error: answered already. */
int ctl_verb_resolve_node(
	struct ctl_client *client, const struct ipc_request *request, struct id *ret) MUST_CHECK;

/* The task of a verb that is done to somebody or something; a daemon_ticket_cb that answers with
 * {"id", "name"}. */
struct ctl_verb_subject {
	struct id id;
	char name[AUTHORITY_NAME_MAX + 1]; /* empty: has none */
};
void ctl_verb_subject_done(void *client, int err);

#endif
