#include "tests/support/rounds.h"

#include <stdlib.h>

unsigned rounds_wanted(unsigned usual)
{
	const char *text = getenv("MESHD_TEST_ROUNDS");
	unsigned long rounds = text ? strtoul(text, NULL, 10) : 0;

	return rounds ? (unsigned)rounds : usual;
}
