/* The answers of whatever listens at the UAPI socket. The first byte picks which one is expected.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "wg/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wg_device device, none = {0};
	struct wg_ops ops;
	int number;

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		if (uapi_read_status((const char *)data + 1, size - 1, &number) == 0 && number < 0)
			abort();
		return 0;
	}
	if (uapi_read_device((const char *)data + 1, size - 1, &device, &number))
		return 0;
	/* Whatever was accepted is sealed: it differs in nothing from itself. */
	if (wg_diff(&device, &device, &ops) == 0) {
		if (ops.count)
			abort();
		wg_ops_done(&ops);
	}
	if (wg_diff(&device, &none, &ops) == 0) {
		/* WireGuard drops a peer that has the device's own key. */
		bool own = wg_device_peer(&device, device.public_key);

		if (wg_device_apply(&none, &ops) == 0 && none.peer_count + own != device.peer_count)
			abort();
		wg_ops_done(&ops);
	}
	wg_device_done(&none);
	wg_device_done(&device);
	return 0;
}
