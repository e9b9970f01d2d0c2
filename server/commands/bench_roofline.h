/* A profile as a picture: how fast each layer runs over how many operations it does a byte, under
 * the roofs that the machine sets. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_ROOFLINE_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_ROOFLINE_H

#include "server/commands/bench_profile.h"

/* Writes a self-contained SVG to `path`, whole or not at all, titled `title` (any text). Fails with
 * STATUS_IO, STATUS_NO_MEMORY. Blocks on the disk. */
MUST_CHECK enum status bench_roofline_write(const struct bench_profile *profile, const char *title,
                                            const char *path, struct error *error);

#endif
