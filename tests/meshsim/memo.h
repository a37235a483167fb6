/* What is computed once for all nodes (memo.c), or by each for itself (memo_none.c): the same run.
 */
#ifndef MESHD_TESTS_MESHSIM_MEMO_H
#define MESHD_TESTS_MESHSIM_MEMO_H

#include "gossip/crypto/keys.h"

/* A node's key: its agreements with all others so known are computed together. */
void memo_know(const struct keys *keys);

#endif
