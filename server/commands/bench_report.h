/* What the engine's bench shows: lines for a person, nodes of a JSON document. */
#ifndef CLASSIFYD_SERVER_COMMANDS_BENCH_REPORT_H
#define CLASSIFYD_SERVER_COMMANDS_BENCH_REPORT_H

#include "model/base/json_doc.h"
#include "server/commands/bench_engine.h"

void bench_report_print_head(const struct bench_engine *bench);
void bench_report_print_result(const struct bench_engine_result *result);
void bench_report_print_profile(const struct bench_profile *profile);

/* "model", "kernels", "macs", "input" of `root`. */
void bench_report_put_head(struct json_doc *doc, struct json_node *root,
                           const struct bench_engine *bench);

/* An item of the array `results`; with a "profile" where it is not NULL. */
void bench_report_put_result(struct json_doc *doc, struct json_node *results,
                             const struct bench_engine_result *result,
                             const struct bench_profile *profile);

#endif
