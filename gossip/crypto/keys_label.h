/* Only for keys*.c: how a domain goes into a signature, a hash or a derivation. */
#ifndef MESHD_GOSSIP_CRYPTO_KEYS_LABEL_H
#define MESHD_GOSSIP_CRYPTO_KEYS_LABEL_H

#include <assert.h>

#include "gossip/crypto/keys.h"

#define KEYS_LABEL_SIZE_MAX 24

/* The NUL at a label's end belongs to it: so that none is the beginning of another. */
struct keys_label {
	const char *text;
	size_t size;
};

static inline struct keys_label keys_label(enum keys_domain domain)
{
	static const struct keys_label labels[] = {
#define X(name, label) [KEYS_##name] = {label, sizeof(label)},
		KEYS_DOMAIN_LIST(X)
#undef X
	};

	return labels[domain];
}

/* label and data one after the other, as they are signed; returns their size. */
static inline size_t keys_label_message(enum keys_domain domain, const void *data, size_t size,
	uint8_t ret[KEYS_LABEL_SIZE_MAX + KEYS_SIGNED_MAX])
{
	const struct keys_label label = keys_label(domain);

	assert(label.size <= KEYS_LABEL_SIZE_MAX && size <= KEYS_SIGNED_MAX);
	memcpy(ret, label.text, label.size);
	if (size)
		memcpy(ret + label.size, data, size);
	return label.size + size;
}

#endif
