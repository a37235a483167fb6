/* How often a test that draws its cases by chance does so. */
#ifndef MESHD_TESTS_SUPPORT_ROUNDS_H
#define MESHD_TESTS_SUPPORT_ROUNDS_H

/* The environment's MESHD_TEST_ROUNDS, or what the test does in every run. */
unsigned rounds_wanted(unsigned usual);

#endif
