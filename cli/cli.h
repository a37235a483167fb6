/* One run of meshctl: what was asked for on its command line, and asking the daemon. */
#ifndef MESHD_CLI_CLI_H
#define MESHD_CLI_CLI_H

#include <jansson.h>

#include "cli/screen.h"
#include "daemon/ipc/ipc.h"

/* Exit statuses; scripts rely on them. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1, /* refused or failed: one line on stderr says what, why and what to do */
	CLI_USAGE = 2,
	CLI_UNREACHABLE = 3, /* the daemon is not running, or its socket may not be opened */
};

#define CLI_TIMEOUT_MS 10000 /* for an answer that waits for nothing but a disk */

struct cli {
	const char *socket;
	const char *instance; /* NULL: the one without a name */
	bool json;
	struct screen screen; /* of standard output */
	int64_t now_ms;	      /* wall clock, for times relative to it */
	json_t *items;	      /* of a stream that is shown as a whole */
};

void cli_look_at_clock(struct cli *cli);

/* One line on standard error, made harmless for a terminal; answers the status, to be returned. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Called for each item of a stream; anything but CLI_DONE ends it. */
typedef int (*cli_item_cb)(struct cli *cli, json_t *item);

/* Sends the request and waits for its end, timeout_ms from one frame to the next (below 0: for
 * ever). The result is the caller's. Failures have been told already. on_item may be NULL. */
int cli_call(struct cli *cli, const struct ipc_request *request, int64_t timeout_ms,
	cli_item_cb on_item, json_t **ret_result) MUST_CHECK;
/* A stream that is shown as a whole: on_item puts into cli->items, which is `label` in the document
 * of
 * --json, and else what render shows. */
int cli_list(struct cli *cli, const struct ipc_request *request, const char *label,
	cli_item_cb on_item, void (*render)(struct cli *cli, const json_t *items)) MUST_CHECK;
/* The same, telling nothing: the text of the failure, to be released with free, goes to ret_error
 * (NULL where there was none). */
int cli_try(struct cli *cli, const struct ipc_request *request, int64_t timeout_ms,
	cli_item_cb on_item, json_t **ret_result, char **ret_error) MUST_CHECK;
/* The same in two steps, for several requests over one connection; client_done whatever comes of
 * it. */
struct client;
int cli_connect(struct cli *cli, struct client *client, char **ret_error) MUST_CHECK;
int cli_ask(struct cli *cli, struct client *client, const struct ipc_request *request,
	int64_t timeout_ms, cli_item_cb on_item, json_t **ret_result, char **ret_error) MUST_CHECK;

/* A whole document on standard output, or with `line` one line of a stream. */
void cli_print_json(struct cli *cli, const json_t *value, bool line);

#endif
