#include "cli/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *memory_check(void *memory)
{
	if (!memory) {
		fputs("meshctl: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

void *memory_grow(void *memory, size_t count, size_t size)
{
	return memory_check(reallocarray(memory, count, size));
}

char *memory_copy(const char *text)
{
	return memory_check(strdup(text));
}

char *memory_vformat(const char *format, va_list args)
{
	char *text = NULL;
	int size = vasprintf(&text, format, args);

	return memory_check(size < 0 ? NULL : text);
}

char *memory_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = memory_vformat(format, args);
	va_end(args);
	return text;
}

void memory_join(char **list, const char *separator, const char *word)
{
	char *longer = memory_format("%s%s%s", *list ? *list : "", *list ? separator : "", word);

	free(*list);
	*list = longer;
}
