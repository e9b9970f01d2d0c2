/* Options from environment variables: CLASSIFYD_SERVER_PORT is server.port. */
#ifndef CLASSIFYD_SERVER_CONFIG_CONFIG_ENVIRONMENT_H
#define CLASSIFYD_SERVER_CONFIG_CONFIG_ENVIRONMENT_H

#include "server/config/config.h"
#include "server/config/config_faults.h"

/* Sets what the variables say in `config`; what is wrong is added to `faults` as "VARIABLE: why". A
 * variable that begins like those of a section but is none is a fault; others are left alone.
 * Fails with STATUS_NO_MEMORY. */
MUST_CHECK enum status config_environment_read(char *const *environment, struct config *config,
                                               struct config_faults *faults, struct error *error);

#endif
