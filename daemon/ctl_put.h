/* Members of a MessagePack map, as the contract's JSON has them. */
#ifndef MESHD_DAEMON_CTL_PUT_H
#define MESHD_DAEMON_CTL_PUT_H

#include "gossip/base/pack.h"
#include "gossip/base/text.h"
#include "gossip/gossip.h"

void ctl_put_text(struct pack *out, const char *key, const char *text); /* NULL: null */
void ctl_put_number(struct pack *out, const char *key, uint64_t number);
void ctl_put_flag(struct pack *out, const char *key, bool flag);
void ctl_put_nil(struct pack *out, const char *key);
void ctl_put_id(struct pack *out, const char *key, const struct id *id);
/* RFC 3339; null for 0. */
void ctl_put_time(struct pack *out, const char *key, wtime_t time);
/* null where it has no family */
void ctl_put_endpoint(struct pack *out, const char *key, const struct endpoint *endpoint);
void ctl_put_prefix(struct pack *out, const char *key, const struct prefix *prefix);
/* A list of one node's addresses, IPv6 first, each with its length. */
void ctl_put_addresses(
	struct pack *out, const char *key, const struct ip *ip6, const struct ip *ip4);
/* `rtt_ms`; below 0: null, not measured. */
void ctl_put_rtt(struct pack *out, int64_t rtt_us);
/* A member of the mesh or its root key, {"id", "name"}; null for nobody. */
void ctl_put_person(
	struct pack *out, const char *key, const struct gossip *gossip, const struct id *id);

#endif
