/*
 * The join token: one line, `mesh1_` and base64url without padding of
 *   version | mesh id | invite's secret seed | chain | invite | checksum (4)
 * without repeating a field: the records are rebuilt from it, bit for bit. It is a secret until
 * used.
 */
#ifndef MESHD_GOSSIP_TRUST_TOKEN_H
#define MESHD_GOSSIP_TRUST_TOKEN_H

#include "gossip/trust/admission.h"

#define TOKEN_TEXT_MAX 1024 /* characters with NUL; under 600 with three endpoints and no tags */

struct token {
	struct id mesh;
	struct keys key; /* the invite's; wiped by token_done */
	struct record
		*grant; /* the minting admin's grant; NULL where its authority comes otherwise */
	struct record *record; /* the invite's record */
	struct invite invite;
};

/* ERR_INVALID: grant, record and key do not belong together. ERR_TOO_BIG. */
int token_encode(const struct token *token, char ret_text[TOKEN_TEXT_MAX]) MUST_CHECK;
/* ERR_MALFORMED, ERR_DAMAGED (checksum), ERR_VERSION, ERR_BAD_SIGNATURE, ERR_NOT_ADMIN (a chain is
 * there and does not lead to the root). Surrounding white space is taken off first. */
int token_decode(const char *text, struct token *ret) MUST_CHECK;
void token_done(struct token *token);

#endif
