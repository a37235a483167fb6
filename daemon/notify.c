#include "daemon/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_status(const char *text)
{
	sd_notifyf(0, "STATUS=%s", text);
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_ms(void)
{
	uint64_t limit_us = 0;

	/* Half of the limit, as sd_watchdog_enabled(3) advises. */
	if (sd_watchdog_enabled(0, &limit_us) <= 0)
		return 0;
	return limit_us / 2000 ? limit_us / 2000 : 1;
}
