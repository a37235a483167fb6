/* A folder for one test's files. */
#ifndef MESHD_TESTS_SUPPORT_TEMPDIR_H
#define MESHD_TESTS_SUPPORT_TEMPDIR_H

#define TEMPDIR_SIZE 64

/* Fails the test when it cannot be made. */
void tempdir_make(char ret_path[TEMPDIR_SIZE]);
/* With all that is in it. */
void tempdir_remove(const char *path);

#endif
