#include "daemon/ctl_put.h"

#include "daemon/ipc/ipc.h"

void ctl_put_text(struct pack *out, const char *key, const char *text)
{
	pack_put_str(out, key);
	if (text)
		ipc_put_words(out, text, strlen(text));
	else
		pack_put_nil(out);
}

void ctl_put_number(struct pack *out, const char *key, uint64_t number)
{
	pack_put_str(out, key);
	pack_put_uint(out, number);
}

void ctl_put_flag(struct pack *out, const char *key, bool flag)
{
	pack_put_str(out, key);
	pack_put_bool(out, flag);
}

void ctl_put_nil(struct pack *out, const char *key)
{
	ctl_put_text(out, key, NULL);
}

void ctl_put_id(struct pack *out, const char *key, const struct id *id)
{
	char text[TEXT_ID_SIZE];

	ctl_put_text(out, key, text_id(id, text));
}

void ctl_put_time(struct pack *out, const char *key, wtime_t time)
{
	char text[TEXT_TIME_SIZE];

	ctl_put_text(out, key, time.ms ? text_time(time, text) : NULL);
}

void ctl_put_endpoint(struct pack *out, const char *key, const struct endpoint *endpoint)
{
	char text[TEXT_ENDPOINT_SIZE];

	ctl_put_text(out, key, endpoint->ip.family ? text_endpoint(endpoint, text) : NULL);
}

void ctl_put_prefix(struct pack *out, const char *key, const struct prefix *prefix)
{
	char text[TEXT_PREFIX_SIZE];

	ctl_put_text(out, key, prefix->ip.family ? text_prefix(prefix, text) : NULL);
}

void ctl_put_addresses(
	struct pack *out, const char *key, const struct ip *ip6, const struct ip *ip4)
{
	const struct prefix prefixes[] = {{*ip6, 128}, {*ip4, 32}};
	char text[TEXT_PREFIX_SIZE];

	pack_put_str(out, key);
	pack_put_array(out, (ip6->family != 0) + (ip4->family != 0));
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (prefixes[i].ip.family)
			pack_put_str(out, text_prefix(&prefixes[i], text));
	}
}

void ctl_put_rtt(struct pack *out, int64_t rtt_us)
{
	pack_put_str(out, "rtt_ms");
	if (rtt_us < 0)
		pack_put_nil(out);
	else
		pack_put_double(out, (double)rtt_us / 1000);
}

void ctl_put_person(
	struct pack *out, const char *key, const struct gossip *gossip, const struct id *id)
{
	struct gossip_status status;
	struct gossip_member member;

	gossip_status(gossip, &status);
	pack_put_str(out, key);
	if (id_is_zero(id)) {
		pack_put_nil(out);
		return;
	}
	pack_put_map(out, 2);
	ctl_put_id(out, "id", id);
	if (status.has_mesh && id_equal(id, &status.mesh)) {
		ctl_put_text(out, "name", "root key");
	} else if (gossip_member(gossip, id, &member)) {
		ctl_put_text(out, "name", member.standing->name);
		gossip_member_wipe(&member);
	} else {
		ctl_put_nil(out, "name");
	}
}
