/* Two NUMA nodes for a machine that has none: one CPU that this process may use each. */
#ifndef CLASSIFYD_TESTS_UNIT_NUMA_FIXTURE_H
#define CLASSIFYD_TESTS_UNIT_NUMA_FIXTURE_H

#include "model/base/numa.h"

/* NULL where the process may use one CPU alone. Lives for ever. */
const struct numa_topology *numa_fixture_topology(void);

/* Whether the calling thread may run on the CPUs of node `node` of it, all of them and no other. */
bool numa_fixture_is_on(size_t node);

#endif
