#include "wg/wg_backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wg/net_link.h"

static const char *const state_names[] = {
#define X(name, text) [name] = text,
	WG_BACKEND_STATES(X)
#undef X
};

const char *wg_backend_state_name(enum wg_backend_state state)
{
	return state_names[state];
}

const char *wg_backend_name(const struct wg_backend *backend)
{
	return backend->class->name;
}

/* An interface that is there keeps its backend, so that an upgrade that brings the kernel's module
 * interrupts nothing. Otherwise making one is the only honest question about the kernel. */
static int choose(struct nl *nl, const char *name, enum wg_backend_kind *kind)
{
	struct net_link link;
	int err;

	if (*kind != WG_BACKEND_AUTO)
		return 0;
	err = net_link_get(nl, name, &link);
	if (!err) {
		*kind = strcmp(link.kind, "tun") == 0 ? WG_BACKEND_USERSPACE : WG_BACKEND_KERNEL;
		return 0;
	}
	if (err != ERR_UNKNOWN)
		return err;
	err = net_link_create(nl, name, "wireguard");
	*kind = err == ERR_UNSUPPORTED ? WG_BACKEND_USERSPACE : WG_BACKEND_KERNEL;
	return err == ERR_UNSUPPORTED ? 0 : err;
}

int wg_backend_new(enum wg_backend_kind kind, struct nl *nl, const char *name,
	const struct wg_backend_config *config, struct wg_backend **ret)
{
	int err;

	if (!name[0] || strlen(name) >= WG_NAME_SIZE || strchr(name, '/'))
		return ERR_INVALID;
	err = choose(nl, name, &kind);
	if (err)
		return err;
	return kind == WG_BACKEND_KERNEL ? wg_kernel_new(nl, name, ret)
					 : wg_userspace_new(nl, name, config, ret);
}

void wg_backend_free(struct wg_backend *backend)
{
	if (backend)
		backend->class->free(backend);
}

int wg_backend_step(struct wg_backend *backend, mtime_t now)
{
	return backend->class->step(backend, now);
}

int wg_backend_observe(struct wg_backend *backend, struct wg_device *ret)
{
	return backend->state == WG_RUNNING ? backend->class->observe(backend, ret) : ERR_NOT_READY;
}

int wg_backend_apply(struct wg_backend *backend, const struct wg_ops *ops)
{
	return backend->state == WG_RUNNING ? backend->class->apply(backend, ops) : ERR_NOT_READY;
}

int wg_backend_stop(struct wg_backend *backend)
{
	return backend->class->stop(backend);
}

int wg_backend_fail(struct wg_backend *backend, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(backend->error, sizeof(backend->error), format, args);
	va_end(args);
	return err;
}
