/* What every harness offers: libFuzzer's entry point, called by libFuzzer or by replay.c. */
#ifndef CLASSIFYD_TESTS_FUZZ_FUZZ_H
#define CLASSIFYD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Gives one input to the code under test. Returns 0; a finding is a crash, a sanitizer's report or
 * abort(). `data` is borrowed for the call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
