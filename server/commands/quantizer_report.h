/* What a quantizer found, for a person, for a program, and in the file that it writes. */
#ifndef CLASSIFYD_SERVER_COMMANDS_QUANTIZER_REPORT_H
#define CLASSIFYD_SERVER_COMMANDS_QUANTIZER_REPORT_H

#include "model/base/json_doc.h"
#include "server/commands/library.h"
#include "server/commands/quantizer.h"

/* What --activation-scales calls a way of finding steps. */
extern const char *const quantizer_report_activations[];

/* Prints the table of layers and the check's result. */
void quantizer_report_print(const struct quantizer *quantizer);

/* Puts "version", "layers", "images" and, where there was one, "check" into an object. */
void quantizer_report_put(const struct quantizer *quantizer, struct json_doc *doc,
                          struct json_node *into);

/* Writes the model's weights with the calibration, its recipe, labels and golden values. Fails as
 * quantization_file_write. */
MUST_CHECK enum status quantizer_report_write(const struct quantizer *quantizer,
                                              const struct library *library, const char *path,
                                              struct error *error);

#endif
