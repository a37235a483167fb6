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
