/* How long things take, counted in buckets: what an operator's graphs of latencies are made of. */
#ifndef MESHD_GOSSIP_BASE_HISTOGRAM_H
#define MESHD_GOSSIP_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS                                                         \
	15 /* 0.1 ms to 5 s, in steps of about two; one bucket more has the rest \
	    */

struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* each of what the bounds before it did not take */
	uint64_t sum_us;
};

extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS]; /* inclusive, rising */

void histogram_add(struct histogram *histogram, int64_t us); /* below 0 counts as 0 */
uint64_t histogram_count(const struct histogram *histogram);

#endif
