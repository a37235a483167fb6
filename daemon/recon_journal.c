#include "daemon/recon_journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "daemon/log.h"

void recon_journal_add(
	struct recon_journal *journal, enum recon_journal_kind kind, const char *format, ...)
{
	struct recon_journal_entry *entry =
		&journal->entries[kind][journal->counts[kind]++ % RECON_JOURNAL_MAX];
	struct timespec now;
	va_list args;

	clock_gettime(CLOCK_REALTIME, &now);
	entry->when.ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	va_start(args, format);
	vsnprintf(entry->text, sizeof(entry->text), format, args);
	va_end(args);
	if (kind == RECON_JOURNAL_OP)
		log_debug("%s", entry->text);
}

const struct recon_journal_entry *recon_journal_at(
	const struct recon_journal *journal, enum recon_journal_kind kind, size_t index)
{
	uint64_t count = journal->counts[kind];
	uint64_t first = count > RECON_JOURNAL_MAX ? count - RECON_JOURNAL_MAX : 0;

	if (index >= count - first)
		return NULL;
	return &journal->entries[kind][(first + index) % RECON_JOURNAL_MAX];
}
