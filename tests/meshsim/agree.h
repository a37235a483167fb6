/*
 * Key agreements of one node with many at once, each exactly what X25519 gives: since the simulator
 * knows every secret, a node's public point is fixed for all of them, and multiples of a fixed
 * point are some eight times cheaper by a table of its multiples.
 *
 * Nothing here takes care of time or memory as a secret demands: these are no secrets.
 */
#ifndef MESHD_TESTS_MESHSIM_AGREE_H
#define MESHD_TESTS_MESHSIM_AGREE_H

#include <stddef.h>
#include <stdint.h>

/* own and the others are X25519 secrets, clamped or not. */
void agree_with_all(const uint8_t own[32], const uint8_t (*others)[32], size_t count,
	uint8_t (*ret_shared)[32]);

#endif
