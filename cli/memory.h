/* Memory for a short-lived program: where there is none left, meshctl says so and ends. */
#ifndef MESHD_CLI_MEMORY_H
#define MESHD_CLI_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

void *memory_grow(void *memory, size_t count, size_t size); /* as reallocarray; release with free */
char *memory_copy(const char *text);
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_vformat(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* Appends to a list of words in one text, which moves; NULL is one that is empty. */
void memory_join(char **list, const char *separator, const char *word);
void *memory_check(void *memory); /* itself, unless it is NULL */

#endif
