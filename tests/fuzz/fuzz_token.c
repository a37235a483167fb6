/* Text that somebody pasted: whatever decodes makes the same text again. */
#include "gossip/trust/token.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[TOKEN_TEXT_MAX];
	struct token token, second;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (token_decode(text, &token) == 0) {
		int err = token_encode(&token, again);

		assert(err == 0 && strstr(text, again));
		err = token_decode(again, &second);
		assert(err == 0 && hash_equal(&token.record->hash, &second.record->hash));
		if (!err)
			token_done(&second);
		token_done(&token);
	}
	free(text);
	return 0;
}
