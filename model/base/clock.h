/* The one clock: microseconds, monotonic. */
#ifndef CLASSIFYD_MODEL_BASE_CLOCK_H
#define CLASSIFYD_MODEL_BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since some fixed moment; never goes back. Any thread. */
uint64_t clock_now_us(void);

#endif
