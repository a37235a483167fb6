#include "gossip/trust/authority.h"

enum authority_chain authority_chain(uint16_t type)
{
	switch (type) {
	case RECORD_CHARTER:
	case RECORD_GRANT:
	case RECORD_ADMIN_REVOCATION:
		return CHAIN_ROOT;
	case RECORD_INVITE:
	case RECORD_REVOCATION:
	case RECORD_CLOSING:
	case RECORD_KEEP:
	case RECORD_WRITER:
		return CHAIN_ADMIN;
	case RECORD_ADMISSION:
		return CHAIN_ADMISSION;
	case RECORD_EQUIVOCATION:
		return CHAIN_SUBJECT;
	default:
		return CHAIN_MEMBER;
	}
}

bool authority_concerns(uint16_t type)
{
	return authority_chain(type) != CHAIN_MEMBER || type == RECORD_LEAVE;
}
