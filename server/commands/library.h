/* What models are made from on the command line: catalogue, labels and demo weights, as embedded
 * unless an option says otherwise, and the folders of this machine. */
#ifndef CLASSIFYD_SERVER_COMMANDS_LIBRARY_H
#define CLASSIFYD_SERVER_COMMANDS_LIBRARY_H

#include "model/model.h"
#include "server/commands/command.h"

struct library {
    struct catalogue *catalogue;
    struct labels *labels;
    char *folders;
    char *user_cache;          /* for model_options */
    struct model_library view; /* borrows the others: what model_load takes */
};

/* Reads them: `folders` as model_folders_list takes them, `catalogue` a file or NULL. Fails with
 * STATUS_NO_MEMORY, and as mapped_file_init and catalogue_parse where a catalogue is given. To be
 * ended with library_fini, also after a failure. */
MUST_CHECK enum status library_init_from(struct library *library, const char *folders,
                                         const char *catalogue, struct error *error);

/* The same by --catalogue and --model-dirs, which must be options of `call`'s command. */
MUST_CHECK enum status library_init(struct library *library, const struct command_call *call,
                                    struct error *error);
void library_fini(struct library *library);

/* Loads the model of that name with --kernels, --precision and --no-cache of `call`; keeps its
 * packed weights for the next time. Fails as model_load does. Returns owned; the library must
 * outlive it. */
MUST_CHECK enum status library_load(const struct library *library, const struct command_call *call,
                                    const char *name, struct model **ret_model,
                                    struct error *error);

/* "resnet50 (V2)", "demo": a model for a person to read. */
void library_title(const struct model *model, char *ret_text, size_t size);

#endif
