/* The configuration file: an object of sections, {"server": {"port": 8080}, "models": ["demo"]}. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_FILE_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_FILE_H

#include "model/base/span.h"
#include "server/config/config.h"
#include "server/config/config_faults.h"

/* Sets what `text` says in `config`; what is wrong is added to `faults` as "NAME:LINE: key: why".
 * Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status config_file_read(struct span text, const char *name, struct config *config,
                                        struct config_faults *faults, struct error *error);

#endif
