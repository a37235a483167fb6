#include "gossip/base/err.h"

#include <string.h>

static const char *const texts[ERR_COUNT] = {
#define X(name, label, text) [ERR_INDEX_##name] = text,
	ERR_LIST(X)
#undef X
};

static const char *const names[ERR_COUNT] = {
#define X(name, label, text) [ERR_INDEX_##name] = label,
	ERR_LIST(X)
#undef X
};

static int index_of(int err)
{
	return err < 0 && -1 - err < ERR_COUNT ? -1 - err : -1;
}

const char *err_text(int err)
{
	if (err == 0)
		return "done";
	return index_of(err) < 0 ? "unknown error" : texts[index_of(err)];
}

const char *err_name(int err)
{
	if (err == 0)
		return "ok";
	return index_of(err) < 0 ? "unknown" : names[index_of(err)];
}

int err_find(const char *name)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		if (strcmp(names[i], name) == 0)
			return -1 - i;
	}
	return 0;
}
