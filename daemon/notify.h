/* What the service manager is told (sd_notify(3)); nothing where there is none. */
#ifndef MESHD_DAEMON_NOTIFY_H
#define MESHD_DAEMON_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void); /* until the next notify_ready */
void notify_stopping(void);
void notify_status(const char *text);
void notify_watchdog(void);
/* How often notify_watchdog has to be called at least; 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
