/*
 * Public keys as points of the curve. Whether one is sound, and what its X25519 form is, costs as
 * much as verifying a signature under it, and the same few keys are asked about again and again: an
 * invite's and a witness's by every admission, a member's by all that it signs. So the last answers
 * are remembered; they depend on nothing but the key.
 */
#ifndef MESHD_GOSSIP_CRYPTO_POINT_H
#define MESHD_GOSSIP_CRYPTO_POINT_H

#include "gossip/base/err.h"
#include "gossip/base/types.h"

/* The X25519 form (RFC 7748) of an Ed25519 public key (RFC 8032). ERR_BAD_KEY where that is not the
 * one encoding of a point, not on the curve, or not of prime order. */
int point_x25519(const struct id *id, uint8_t ret[32]) MUST_CHECK;

#endif
