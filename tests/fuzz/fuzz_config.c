/* A configuration file of arbitrary bytes: accepted whole, or refused with one line that says
 * where. */
#include "daemon/config_file.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[CONFIG_FILE_ERROR_SIZE] = "";
	struct config config;
	int err = config_file_parse("fuzz", (const char *)data, size, &config, error);

	if (err) {
		assert(err == ERR_MALFORMED);
		assert(!strncmp(error, "fuzz:", 5) && !strchr(error, '\n'));
		return 0;
	}
	assert(config.interface[0] && config.listen.port && config.wireguard_port);
	assert(config.advertise_count <= CONFIG_ADVERTISE_MAX);
	assert(strnlen(config.userspace_command, CONFIG_COMMAND_SIZE) < CONFIG_COMMAND_SIZE);
	return 0;
}
