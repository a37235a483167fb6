#include "daemon/sockaddr.h"

#include <netinet/in.h>

bool sockaddr_from_endpoint(const struct endpoint *from, int family, struct sockaddr_storage *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(from->port);
		memcpy(&in->sin_addr, from->ip.b, 4);
		return from->ip.family == 4;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(from->port);
	in6->sin6_scope_id = from->scope;
	if (from->ip.family == 6) {
		memcpy(&in6->sin6_addr, from->ip.b, 16);
		return true;
	}
	memcpy(&in6->sin6_addr, mapped, sizeof(mapped));
	memcpy((uint8_t *)&in6->sin6_addr + sizeof(mapped), from->ip.b, 4);
	return from->ip.family == 4;
}

bool sockaddr_to_ip(const struct sockaddr *from, struct ip *ret)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;

	memset(ret, 0, sizeof(*ret));
	if (from->sa_family == AF_INET) {
		ret->family = 4;
		memcpy(ret->b, &in->sin_addr, 4);
	} else if (from->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		ret->family = 4;
		memcpy(ret->b, in6->sin6_addr.s6_addr + 12, 4);
	} else if (from->sa_family == AF_INET6) {
		ret->family = 6;
		memcpy(ret->b, &in6->sin6_addr, 16);
	}
	return ret->family;
}

bool sockaddr_to_endpoint(const struct sockaddr *from, struct endpoint *ret)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;

	memset(ret, 0, sizeof(*ret));
	if (!sockaddr_to_ip(from, &ret->ip))
		return false;
	ret->port = ntohs(from->sa_family == AF_INET ? in->sin_port : in6->sin6_port);
	if (ret->ip.family == 6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
		ret->scope = in6->sin6_scope_id;
	return ret->port;
}

bool sockaddr_is_loopback(const struct endpoint *endpoint)
{
	static const struct ip loopback6 = {.family = 6, .b = {[15] = 1}};
	const struct ip *ip = &endpoint->ip;

	return (ip->family == 4 && ip->b[0] == 127) || ip_equal(ip, &loopback6);
}
