#include "daemon/recon_fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"

const char *recon_object_label(enum recon_object object)
{
	static const char *const labels[] = {
#define X(name, label) [RECON_##name] = label,
		RECON_OBJECT_LIST(X)
#undef X
	};

	return labels[object];
}

bool recon_fault_waits(const struct recon_faults *faults, enum recon_object object, mtime_t now)
{
	return faults->of[object].text[0] && !mtime_reached(now, faults->of[object].next);
}

void recon_fault_set(
	struct recon_faults *faults, enum recon_object object, mtime_t now, const char *format, ...)
{
	char text[RECON_FAULT_SIZE];
	int64_t wait_ms = faults->of[object].wait_ms;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, faults->of[object].text) != 0) {
		log_warn("%s", text);
		recon_journal_add(&faults->journal, RECON_JOURNAL_ERROR, "%s", text);
	}
	faults->counts[object]++;
	faults->of[object].err = 0;
	memcpy(faults->of[object].text, text, sizeof(text));
	faults->of[object].next = mtime_add_ms(now, wait_ms ? wait_ms : RECON_FAULT_WAIT_MS);
	wait_ms = wait_ms ? wait_ms * 2 : RECON_FAULT_WAIT_MS * 2;
	faults->of[object].wait_ms =
		wait_ms < RECON_FAULT_WAIT_MAX_MS ? wait_ms : RECON_FAULT_WAIT_MAX_MS;
}

void recon_fault_set_err(struct recon_faults *faults, enum recon_object object, int err)
{
	faults->of[object].err = err;
}

void recon_fault_clear(struct recon_faults *faults, enum recon_object object)
{
	if (faults->of[object].text[0])
		log_info("no longer: %s", faults->of[object].text);
	faults->of[object].text[0] = '\0';
	faults->of[object].err = 0;
	faults->of[object].wait_ms = 0;
}

const char *recon_fault_text(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last)
{
	for (size_t i = first; i <= last; i++)
		if (faults->of[i].text[0])
			return faults->of[i].text;
	return NULL;
}

mtime_t recon_fault_deadline(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last)
{
	mtime_t deadline = MTIME_NEVER;

	for (size_t i = first; i <= last; i++)
		if (faults->of[i].text[0])
			deadline = mtime_min(deadline, faults->of[i].next);
	return deadline;
}
