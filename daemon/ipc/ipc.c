#include "daemon/ipc/ipc.h"

#include "gossip/base/text.h"

static const struct {
	const char *label;
	enum ipc_right right;
	uint64_t may, must;
} verbs[IPC_VERBS] = {
#define X(name, label, right, may, must) [IPC_VERB_##name] = {label, IPC_##right, may, must},
	IPC_VERB_LIST(X)
#undef X
};

static const struct {
	const char *label;
	enum ipc_kind kind;
} args[IPC_ARGS] = {
#define X(name, label, kind) [IPC_ARG_##name] = {label, IPC_##kind},
	IPC_ARG_LIST(X)
#undef X
};

_Static_assert(IPC_ARGS <= 64, "a request's arguments are bits of a 64-bit number");

const char *ipc_verb_label(enum ipc_verb verb)
{
	return verbs[verb].label;
}

enum ipc_right ipc_verb_right(enum ipc_verb verb)
{
	return verbs[verb].right;
}

bool ipc_verb_takes(enum ipc_verb verb, enum ipc_arg arg)
{
	return (verbs[verb].may | verbs[verb].must) & UINT64_C(1) << arg;
}

bool ipc_verb_complete(enum ipc_verb verb, uint64_t present)
{
	return (verbs[verb].must & ~present) == 0;
}

const char *ipc_arg_label(enum ipc_arg arg)
{
	return args[arg].label;
}

enum ipc_kind ipc_arg_kind(enum ipc_arg arg)
{
	return args[arg].kind;
}

int ipc_head(const uint8_t head[IPC_HEAD_SIZE], size_t max, size_t *ret_size)
{
	size_t size =
		(size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

	if (size == 0)
		return ERR_MALFORMED;
	if (size > max)
		return ERR_TOO_BIG;
	*ret_size = size;
	return 0;
}

int ipc_get_key(struct pack_reader *r, const char *key)
{
	char found[16];

	if (pack_get_str(r, key, 1, found, sizeof(found)) != 0)
		return ERR_MALFORMED;
	return strcmp(found, key) == 0 ? 0 : pack_refuse(r, key);
}

size_t ipc_frame_begin(struct pack *out)
{
	size_t start = out->size;

	pack_put_raw(out, (const uint8_t[IPC_HEAD_SIZE]){0}, IPC_HEAD_SIZE);
	return start;
}

void ipc_frame_end(struct pack *out, size_t start)
{
	size_t size;

	if (out->failed)
		return;
	size = out->size - start - IPC_HEAD_SIZE;
	for (int i = 0; i < IPC_HEAD_SIZE; i++)
		out->data[start + i] = (uint8_t)(size >> (8 * (IPC_HEAD_SIZE - 1 - i)));
}

void ipc_put_words(struct pack *out, const char *text, size_t size)
{
	char fit[IPC_WORDS_MAX];

	if (text_utf8_valid(text, size)) {
		pack_put_text(out, text, size);
		return;
	}
	if (size > sizeof(fit))
		size = sizeof(fit);
	for (size_t i = 0; i < size; i++)
		fit[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	pack_put_text(out, fit, size);
}
