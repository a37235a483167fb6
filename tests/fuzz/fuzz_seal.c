/* Packets from anybody: what opens is what was sealed, and arbitrary bytes do not open. */
#include "gossip/crypto/seal.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct keys_pair pair = {.send_key = {1}, .receive_key = {1}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nonce[SEAL_NONCE_SIZE];
	uint8_t packet[SEAL_PACKET_MAX], plain[SEAL_PLAIN_MAX];
	size_t packet_size, plain_size;

	(void)!seal_open(&pair, data, size, plain, &plain_size);
	if (size > SEAL_PLAIN_MAX)
		return 0;
	packet_size = seal_packet(&pair, nonce, data, size, packet);
	assert(packet_size == size + SEAL_OVERHEAD);
	assert(seal_open(&pair, packet, packet_size, plain, &plain_size) == 0);
	assert(plain_size == size && (!size || memcmp(plain, data, size) == 0));
	if (size) {
		packet[data[0] % packet_size] ^= (uint8_t)(data[size - 1] | 1);
		assert(seal_open(&pair, packet, packet_size, plain, &plain_size) == ERR_AUTH);
	}
	return 0;
}
