/*
 * Stands in for libFuzzer where a target is built without it: feeds the empty input and every file
 * of the corpus folders (or single files) named on the command line to the target once.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_SIZE_MAX (16u << 20) /* far above any corpus file: a wrong path ends here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data = NULL;
	int err = -1;

	if (!file || fstat(fileno(file), &st) || st.st_size > INPUT_SIZE_MAX)
		goto out;
	/* Exactly as many bytes as there are, so that ASan sees the first one read beyond. */
	data = malloc(st.st_size ? st.st_size : 1);
	if (!data || fread(data, 1, st.st_size, file) != (size_t)st.st_size)
		goto out;
	LLVMFuzzerTestOneInput(data, st.st_size);
	err = 0;
out:
	if (err)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	free(data);
	if (file)
		fclose(file);
	return err;
}

static int replay_folder(const char *path, size_t *count)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), err = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			err |= replay_file(file);
			(*count)++;
		}
		free(names[i]);
	}
	free(names);
	return err;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	int err = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode)) {
			err |= replay_folder(argv[i], &count);
		} else {
			err |= replay_file(argv[i]);
			count++;
		}
	}
	printf("%zu inputs replayed\n", count);
	if (!count)
		fprintf(stderr, "no corpus: put at least one good input there\n");
	return err || !count;
}
