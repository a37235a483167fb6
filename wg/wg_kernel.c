/* The kernel's WireGuard, over generic netlink. */
#include "wg/wg_backend.h"

#include <stdlib.h>
#include <string.h>
#include <linux/wireguard.h>
#include <sodium.h>

#include "wg/net_link.h"
#include "wg/wg_msg.h"

#define RETRY_MS 1000 /* while something else has the name, or the kernel refuses */

struct wg_kernel {
	struct wg_backend base;
	struct nl *nl;
	uint16_t family; /* 0: not asked yet */
};

static struct wg_kernel *kernel_of(struct wg_backend *backend)
{
	return (struct wg_kernel *)backend;
}

static int fail_nl(struct wg_kernel *kernel, int err, const char *what)
{
	return wg_backend_fail(
		&kernel->base, err, "%s %s: %.200s", what, kernel->base.name, nl_error(kernel->nl));
}

/* The interface as it is, or a new one. */
static int ensure_link(struct wg_kernel *kernel, struct net_link *ret)
{
	const char *name = kernel->base.name;
	int err = net_link_get(kernel->nl, name, ret);

	if (err == ERR_UNKNOWN) {
		err = net_link_create(kernel->nl, name, "wireguard");
		if (err)
			return fail_nl(kernel, err, "cannot create WireGuard interface");
		err = net_link_get(kernel->nl, name, ret);
	}
	if (err)
		return fail_nl(kernel, err, "cannot read interface");
	if (strcmp(ret->kind, "wireguard") != 0)
		return wg_backend_fail(&kernel->base, ERR_STATE,
			"%s exists and is no WireGuard interface%s%s", name,
			ret->kind[0] ? " but of kind " : "", ret->kind);
	return 0;
}

static int kernel_step(struct wg_backend *backend, mtime_t now)
{
	struct wg_kernel *kernel = kernel_of(backend);
	struct net_link link;
	int err;

	if (backend->state == WG_RUNNING)
		return 0;
	err = ensure_link(kernel, &link);
	if (!err && !kernel->family) {
		err = nl_family(kernel->nl, WG_GENL_NAME, &kernel->family);
		if (err)
			err = fail_nl(kernel, err, "cannot configure");
	}
	if (err) {
		backend->state = WG_WAITING;
		backend->deadline = mtime_add_ms(now, RETRY_MS);
		return err;
	}
	backend->ifindex = link.ifindex;
	backend->generation++;
	backend->error[0] = '\0';
	backend->state = WG_RUNNING;
	backend->deadline = MTIME_NEVER;
	return 0;
}

/* A failed request; where the interface has gone, the next step makes it again. */
static int fail_request(struct wg_kernel *kernel, int err, const char *what)
{
	if (err == ERR_UNKNOWN) {
		kernel->base.state = WG_DOWN;
		kernel->base.deadline = MTIME_ZERO;
	}
	return fail_nl(kernel, err, what);
}

static int take(const struct nlmsghdr *msg, void *context)
{
	struct wg_device *device = context;

	if (msg)
		return wg_msg_read(msg, device);
	wg_device_done(device);
	return 0;
}

static int kernel_observe(struct wg_backend *backend, struct wg_device *ret)
{
	struct wg_kernel *kernel = kernel_of(backend);
	struct wg_device device = {0};
	union nl_msg msg;
	int err;

	wg_msg_get(&msg, kernel->family, backend->ifindex);
	err = nl_dump(kernel->nl, NL_GENERIC, &msg.header, take, &device);
	if (err) {
		err = fail_request(kernel, err, "cannot read the configuration of");
	} else if (wg_device_seal(&device)) {
		err = wg_backend_fail(backend, ERR_MALFORMED, "%s: malformed dump", backend->name);
	}
	if (err)
		wg_device_done(&device);
	else
		wg_device_move(&device, ret);
	return err;
}

static int kernel_apply(struct wg_backend *backend, const struct wg_ops *ops)
{
	struct wg_kernel *kernel = kernel_of(backend);
	struct wg_msg_writer writer = wg_msg_writer(ops, kernel->family, backend->ifindex);
	union nl_msg msg;
	int err = 0;

	while (!err && wg_msg_next(&writer, &msg, sizeof(msg))) {
		size_t size = msg.header.nlmsg_len;

		err = nl_request(kernel->nl, NL_GENERIC, &msg.header);
		sodium_memzero(&msg, size);
	}
	return err ? fail_request(kernel, err, "cannot configure") : 0;
}

static int kernel_stop(struct wg_backend *backend)
{
	struct wg_kernel *kernel = kernel_of(backend);
	struct net_link link;
	int err = net_link_get(kernel->nl, backend->name, &link);

	backend->state = WG_DOWN;
	backend->deadline = MTIME_NEVER;
	if (!err && strcmp(link.kind, "wireguard") == 0)
		err = net_link_delete(kernel->nl, link.ifindex);
	return err && err != ERR_UNKNOWN ? fail_nl(kernel, err, "cannot remove") : 0;
}

static void kernel_free(struct wg_backend *backend)
{
	free(kernel_of(backend));
}

static const struct wg_backend_class kernel_class = {
	.name = "kernel",
	.step = kernel_step,
	.observe = kernel_observe,
	.apply = kernel_apply,
	.stop = kernel_stop,
	.free = kernel_free,
};

int wg_kernel_new(struct nl *nl, const char *name, struct wg_backend **ret)
{
	struct wg_kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel)
		return ERR_NOMEM;
	kernel->base = (struct wg_backend){.class = &kernel_class, .fd = -1};
	strncpy(kernel->base.name, name, sizeof(kernel->base.name) - 1);
	kernel->nl = nl;
	*ret = &kernel->base;
	return 0;
}
