#include <stdarg.h>
#include <stdio.h>

#include "daemon/daemon.h"

int daemon_refuse(struct daemon *daemon, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(daemon->error, sizeof(daemon->error), format, args);
	va_end(args);
	return err;
}

const char *daemon_error(const struct daemon *daemon)
{
	return daemon->error;
}
