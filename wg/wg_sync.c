#include "wg/wg_sync.h"

static void forget(struct wg_sync *sync)
{
	wg_device_done(&sync->have);
	sync->known = false;
}

void wg_sync_done(struct wg_sync *sync)
{
	forget(sync);
}

static struct wg_sync_tally count(const struct wg_ops *ops)
{
	struct wg_sync_tally tally = {0};

	for (size_t i = 0; i < ops->count; i++) {
		switch (ops->ops[i].kind) {
		case WG_OP_DEVICE:
			tally.device++;
			break;
		case WG_OP_PEER_ADD:
			tally.added++;
			break;
		case WG_OP_PEER_UPDATE:
			tally.updated++;
			break;
		case WG_OP_PEER_REMOVE:
			tally.removed++;
			break;
		}
	}
	return tally;
}

int wg_sync_look(struct wg_sync *sync, struct wg_backend *backend)
{
	struct wg_device have;
	int err = wg_backend_observe(backend, &have);

	forget(sync);
	if (err)
		return err;
	wg_device_move(&have, &sync->have);
	sync->generation = backend->generation;
	sync->known = true;
	return 0;
}

int wg_sync_apply(struct wg_sync *sync, struct wg_backend *backend, const struct wg_device *want,
	size_t *ret_ops)
{
	struct wg_ops ops;
	int err = 0;

	if (!sync->known || sync->generation != backend->generation)
		err = wg_sync_look(sync, backend);
	if (!err)
		err = wg_diff(want, &sync->have, &ops);
	if (err)
		return err;
	if (ops.count)
		err = wg_backend_apply(backend, &ops);
	if (!err)
		err = wg_device_apply(&sync->have, &ops);
	if (err) {
		forget(sync);
	} else {
		sync->tally = count(&ops);
		*ret_ops = ops.count;
	}
	wg_ops_done(&ops);
	return err;
}
