/* Ctrl-C and SIGTERM for those that have something to say at their end. */
#ifndef MESHD_CLI_INTERRUPT_H
#define MESHD_CLI_INTERRUPT_H

#include <stdbool.h>

/* From here on the first of each does not end the process, but its wait (EINTR). */
void interrupt_take(void);
/* Whether one of them came. */
bool interrupt_came(void);

#endif
