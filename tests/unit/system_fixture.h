/* A folder whose tree stands in for /proc and /sys. One at a time. */
#ifndef CLASSIFYD_TESTS_UNIT_SYSTEM_FIXTURE_H
#define CLASSIFYD_TESTS_UNIT_SYSTEM_FIXTURE_H

/* cmocka's setup and teardown of a test: an empty tree, and its end. */
int system_fixture_begin(void **state);
int system_fixture_end(void **state);

/* What stands before each path. */
const char *system_fixture_root(void);

/* Writes a file ("/sys/…") and the folders that it lies in. */
void system_fixture_put(const char *path, const char *text);

#endif
