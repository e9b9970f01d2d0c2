/* A pipeline with the demo model and a second one, without a network: what its tests share. */
#ifndef CLASSIFYD_TESTS_UNIT_PIPELINE_FIXTURE_H
#define CLASSIFYD_TESTS_UNIT_PIPELINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <string.h>

#include "model/image/decode.h"
#include "model/image/prepare.h"
#include "server/pipeline/pipeline.h"
#include "server/web/assets.h"

enum { FIXTURE_WAIT_S = 120 };

struct fixture {
    struct catalogue *catalogue;
    struct labels *labels;
    struct registry *registry;
    struct metrics *metrics;
    struct budget budget;
    const struct numa_topology *numa; /* of the models' engines; NULL: none */
    struct pipeline_options options;
    struct pipeline *pipeline;
    struct blob *sample; /* the sample photograph */
};

/* cmocka's setup and teardown of a group. The models are "demo", "small" (of 10 classes) and
 * "later", which nobody loads. */
int fixture_setup(void **state);
/* The same on the two nodes of numa_fixture.h, where there may be two. */
int fixture_setup_on_nodes(void **state);
int fixture_teardown(void **state);

/* Of each test. The options are one worker, one engine thread, batches of two. */
int fixture_begin(void **state);
int fixture_end(void **state);

/* Makes the pipeline, with fixture->options, which a test may have changed, and opens its lanes. */
void fixture_start(struct fixture *fixture);
/* Ends it; its queues are found empty. */
void fixture_stop(struct fixture *fixture);

/* One series' value; 0 where there is none of the name. */
long fixture_count(const struct fixture *fixture, const char *series);

/* Whole, and one that ends in the middle: not_decodable. */
struct item_request fixture_photograph(const struct fixture *fixture);
struct item_request fixture_broken(const struct fixture *fixture);

/* Stands in for the real fetcher: fetcher_submit remembers, and nothing else. */
struct fetcher {
    size_t count;
    struct fetcher_request requests[4];
    bool is_full; /* fails */
};

/* One request. `done` is posted when it is done; a call with `is_held` then keeps the thread that
 * finished it, which no server may do, until `go_on` is posted. */
struct call {
    struct job *job;
    sem_t done, go_on;
    bool is_held;
};

/* `call` is zeroed but for is_held. */
void call_make(struct call *call, const struct item_request *requests, size_t count);
/* The same of one image, and submits it. */
void call_send(struct fixture *fixture, struct call *call, const struct item_request *request);
/* Fails after FIXTURE_WAIT_S. */
void call_wait(struct call *call);
bool call_is_done(struct call *call);
const struct item_outcome *call_outcome(const struct call *call, size_t index);
void call_end(struct call *call);

#endif
