/* From a verb's command line to its request, and what --help says about it. */
#ifndef MESHD_CLI_OPTIONS_H
#define MESHD_CLI_OPTIONS_H

#include "cli/verb.h"

/* call->verb is set. CLI_USAGE has been told already. *ret_help: --help was asked for. */
int options_parse(struct cli *cli, struct verb_call *call, int argc, char **argv, bool *ret_help);
void options_print_help(const struct verb *verb, FILE *out);

#endif
