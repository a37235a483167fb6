/* The TXT record of anybody on the LAN: what is understood is said again in the same words. */
#include "daemon/discover_txt.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct discover_txt txt = {.has_tag = false}, again = {.has_tag = false};
	static const struct id mesh;
	uint8_t bytes[DISCOVER_TXT_MAX];

	if (discover_txt_decode(data, size, &txt) != 0)
		return 0;
	size = discover_txt_encode(&txt, bytes);
	assert(size <= DISCOVER_TXT_MAX);
	if (discover_txt_decode(bytes, size, &again) != 0)
		assert(!"what was encoded does not decode");
	assert(memcmp(&txt, &again, sizeof(txt)) == 0);
	(void)discover_txt_is_of(&txt, &mesh);
	return 0;
}
