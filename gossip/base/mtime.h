/*
 * Time is a parameter everywhere in gossip/: the caller says what time it is. Two clocks, two types
 * that do not mix: mtime_t is monotonic and measures durations; wtime_t is what the wall says.
 */
#ifndef MESHD_GOSSIP_BASE_MTIME_H
#define MESHD_GOSSIP_BASE_MTIME_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	int64_t us; /* microseconds since an arbitrary point; never steps back */
} mtime_t;

typedef struct {
	int64_t ms; /* milliseconds since 1970-01-01 UTC; may step */
} wtime_t;

/* The largest that others may claim: the 48 bits of a stamp, the year 10889. */
#define WTIME_MAX_MS ((INT64_C(1) << 48) - 1)

#define MTIME_NEVER ((mtime_t){INT64_MAX})
#define MTIME_ZERO  ((mtime_t){0})

static inline mtime_t mtime_add_ms(mtime_t t, int64_t ms)
{
	return (mtime_t){t.us + ms * 1000};
}

static inline mtime_t mtime_add_us(mtime_t t, int64_t us)
{
	return (mtime_t){t.us + us};
}

static inline int64_t mtime_diff_us(mtime_t later, mtime_t earlier)
{
	return later.us - earlier.us;
}

static inline int64_t mtime_diff_ms(mtime_t later, mtime_t earlier)
{
	return (later.us - earlier.us) / 1000;
}

static inline bool mtime_before(mtime_t a, mtime_t b)
{
	return a.us < b.us;
}

static inline bool mtime_reached(mtime_t now, mtime_t deadline)
{
	return now.us >= deadline.us;
}

/* Whether mtime_allows would. It is taken only for what has proven to be worth it: or whoever makes
 * up the rest could use up what others need. */
static inline bool mtime_would_allow(mtime_t due, mtime_t now, int64_t gap_ms, int64_t burst)
{
	return mtime_diff_ms(mtime_before(due, now) ? now : due, now) <= gap_ms * (burst - 1);
}

/* A rate: `burst` at once, and one each gap_ms in the long run. due is its memory, at first
 * MTIME_ZERO: when the next would come if all kept to the gap. */
static inline bool mtime_allows(mtime_t *due, mtime_t now, int64_t gap_ms, int64_t burst)
{
	if (!mtime_would_allow(*due, now, gap_ms, burst))
		return false;
	if (mtime_before(*due, now))
		*due = now;
	*due = mtime_add_ms(*due, gap_ms);
	return true;
}

static inline mtime_t mtime_min(mtime_t a, mtime_t b)
{
	return a.us < b.us ? a : b;
}

#endif
