/*
 * What meshctl can do: one table entry a verb. Options and arguments are declared and become the
 * request's arguments; most verbs are nothing but that and a rendering of the answer.
 */
#ifndef MESHD_CLI_VERB_H
#define MESHD_CLI_VERB_H

#include "cli/cli.h"

#define VERB_OPTIONS_MAX  10
#define VERB_OPERANDS_MAX 2

enum verb_option_kind {
	VERB_FLAG = 1,
	VERB_TEXT,
	VERB_LIST,     /* may be given several times */
	VERB_SEVERAL,  /* and several values at once: what follows the last operand is more of them
			*/
	VERB_DURATION, /* 90s 15m 1h 7d, in milliseconds */
	VERB_COUNT,    /* a whole number above 0 */
	VERB_PREFIX4,
	VERB_PREFIX6,
	VERB_ADDRESS,	 /* a list of IP addresses */
	VERB_CIDR,	 /* a list of IP addresses, each with the length of its network */
	VERB_ENDPOINT,	 /* a list of HOST:PORT; names are resolved here */
	VERB_WATCH,	 /* meshctl's own flag: the daemon does not learn of it */
	VERB_PASSPHRASE, /* meshctl's own as well: a file's name */
	VERB_TIMES,	 /* and this: a whole number above 0 */
};

struct verb_option {
	const char *name;
	enum verb_option_kind kind;
	enum ipc_arg arg; /* not for meshctl's own */
};

enum verb_operand_kind {
	VERB_REQUIRED = 1,
	VERB_OPTIONAL, /* after those that are required */
	VERB_OWN,      /* required, and meshctl's own: the daemon does not learn of it */
};

struct verb_operand {
	const char *name;
	enum verb_operand_kind kind;
	enum ipc_arg arg; /* a text; not for VERB_OWN */
};

/* A command line taken apart. */
struct verb_call {
	const struct verb *verb;
	struct ipc_request request;
	const char *operands[VERB_OPERANDS_MAX]; /* NULL: was left out */
	int64_t timeout_ms;			 /* for its answer */
	bool watch;
	int times;		     /* 0: was left out */
	const char *passphrase_file; /* NULL: asked for */
	char *owned[IPC_LIST_MAX];   /* texts of the request that are not in argv */
	size_t owned_count;
};

struct verb {
	const char *name;      /* one word, or two: `kv put` is one of the group `kv` */
	const char *arguments; /* for the usage line */
	const char *summary;   /* one line, for the list of verbs */
	const char *help;      /* the rest of --help, with an example */
	enum ipc_verb ipc;
	struct verb_option options[VERB_OPTIONS_MAX];
	struct verb_operand operands[VERB_OPERANDS_MAX];
	int64_t timeout_ms; /* 0: CLI_TIMEOUT_MS */
	/* How the answer looks; with --json it is not called. */
	void (*render)(struct cli *cli, const json_t *result);
	/* Instead of one request and one answer; NULL for most. */
	int (*run)(struct cli *cli, struct verb_call *call);
};

extern const struct verb verb_init, verb_invite, verb_invites, verb_uninvite, verb_join, verb_leave,
	verb_status, verb_show, verb_revoke, verb_rotate, verb_events, verb_doctor,
	verb_root_export, verb_root_forget, verb_root_import, verb_backup, verb_restore,
	verb_kv_put, verb_kv_get, verb_kv_del, verb_kv_list, verb_kv_watch;
extern const struct verb verb_ping, verb_why, verb_debug_dump;
extern const struct verb verb_discover, verb_keep, verb_grant, verb_ungrant;
extern const struct verb verb_l2_create, verb_l2_delete, verb_l2_attach, verb_l2_detach,
	verb_l2_list;

/* The verb that these words begin with, and how many of them are its name; NULL: there is none. */
const struct verb *verb_find(int argc, char **argv, int *ret_words);
bool verb_in_group(const struct verb *verb, const char *group);
/* All of them in the order of `meshctl --help`; NULL at the end. */
const struct verb *verb_at(size_t index);

/* argv[0] is the last word of the verb's name. The exit status. */
int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv);
/* One request, one answer, printed. */
int verb_ask(struct cli *cli, struct verb_call *call);

#endif
