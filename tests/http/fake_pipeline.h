/* pipeline_submit for the tests of the HTTP server: items are finished when the test wants it. */
#ifndef CLASSIFYD_TESTS_HTTP_FAKE_PIPELINE_H
#define CLASSIFYD_TESTS_HTTP_FAKE_PIPELINE_H

#include "server/pipeline/pipeline.h"

/* What an item's `file` says of when it is finished. */
#define FAKE_PIPELINE_NOW    "now"    /* before pipeline_submit returns */
#define FAKE_PIPELINE_THREAD "thread" /* by another thread, at once */
#define FAKE_PIPELINE_WAIT   "wait"   /* when fake_pipeline_finish says so */

struct pipeline *fake_pipeline_create(void);
/* Ends the thread, lets go of what waits. */
void fake_pipeline_destroy(struct pipeline *pipeline);

/* Blocks until `count` items have been submitted that wait, in all, or `timeout_us` is over;
 * whether they have. */
bool fake_pipeline_await(struct pipeline *pipeline, size_t count, uint64_t timeout_us);

/* Finishes the `count` that have waited longest; how many of them were live. */
size_t fake_pipeline_finish(struct pipeline *pipeline, size_t count);

#endif
