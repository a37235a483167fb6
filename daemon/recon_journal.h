/*
 * What the reconcilers did to the kernel last, and what it refused: for a bug report. A ring in
 * memory; the log has the same, and more, for as long as it keeps it.
 */
#ifndef MESHD_DAEMON_RECON_JOURNAL_H
#define MESHD_DAEMON_RECON_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "gossip/base/mtime.h"

#define RECON_JOURNAL_MAX  64  /* entries of each kind: a burst of errors hides no operation */
#define RECON_JOURNAL_TEXT 192 /* bytes of one; the rest is cut off */

enum recon_journal_kind {
	RECON_JOURNAL_OP,
	RECON_JOURNAL_ERROR,
	RECON_JOURNAL_KINDS,
};

struct recon_journal_entry {
	wtime_t when;
	char text[RECON_JOURNAL_TEXT];
};

/* Zeroed: empty. */
struct recon_journal {
	uint64_t counts[RECON_JOURNAL_KINDS]; /* since the start, those that were overwritten too */
	struct recon_journal_entry entries[RECON_JOURNAL_KINDS][RECON_JOURNAL_MAX];
};

void recon_journal_add(struct recon_journal *journal, enum recon_journal_kind kind,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The oldest first; NULL: there are fewer. */
const struct recon_journal_entry *recon_journal_at(
	const struct recon_journal *journal, enum recon_journal_kind kind, size_t index);

#endif
