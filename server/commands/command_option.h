/* An option of a subcommand, as data, and those that several commands share. */
#ifndef CLASSIFYD_SERVER_COMMANDS_COMMAND_OPTION_H
#define CLASSIFYD_SERVER_COMMANDS_COMMAND_OPTION_H

#include <stdint.h>

enum command_option_kind {
    COMMAND_END,     /* closes a table */
    COMMAND_FLAG,    /* --json */
    COMMAND_TEXT,    /* --model M */
    COMMAND_INTEGER, /* --top-k 5 */
    COMMAND_LIST,    /* --batch 1,8: integers */
    COMMAND_TEXTS,   /* --set a=1 --set b=2: each use counts */
    COMMAND_CHOICE,  /* --kernels blas */
};

/* What the shell may offer in a value's place. */
enum command_hint { COMMAND_HINT_NONE, COMMAND_HINT_FILE, COMMAND_HINT_FOLDER, COMMAND_HINT_MODEL };

struct command_option {
    enum command_option_kind kind;
    const char *name; /* "top-k", without the dashes */
    char letter;      /* 'k', or 0 */
    enum command_hint hint;
    const char *value;          /* what stands for the value in the help: "N"; NULL for a flag */
    const char *help;           /* a phrase in lower case, without a full stop */
    const char *preset;         /* the value where the option is not given; NULL: none */
    int64_t min, max;           /* COMMAND_INTEGER, COMMAND_LIST: what a number may be */
    const char *const *choices; /* COMMAND_CHOICE: NULL-ended */
};

/* What several commands take; spelled once. */
#define COMMAND_OPTION_MODEL                                                                       \
    {                                                                                              \
        COMMAND_TEXT, "model", 'm', COMMAND_HINT_MODEL,                                            \
            .value = "MODEL", .preset = "demo",                                                    \
            .help = "a catalogue name (resnet50, resnet50:V1), a weight file, demo, or "           \
                    "random:resnet50?seed=1"                                                       \
    }
#define COMMAND_OPTION_FOLDERS                                                                     \
    {                                                                                              \
        COMMAND_TEXT, "model-dirs", 0, COMMAND_HINT_FOLDER,                                        \
            .value = "DIR[:DIR...]",                                                               \
            .help = "folders where weight files are looked for; instead of CLASSIFYD_MODEL_DIRS"   \
    }
#define COMMAND_OPTION_CATALOGUE                                                                   \
    {                                                                                              \
        COMMAND_TEXT, "catalogue", 0, COMMAND_HINT_FILE,                                           \
            .value = "FILE", .help = "a catalogue of models instead of the built-in one"           \
    }
#define COMMAND_OPTION_THREADS                                                                     \
    {                                                                                              \
        COMMAND_INTEGER, "threads", 't', COMMAND_HINT_NONE,                                        \
            .value = "N", .min = 1, .max = 1024,                                                   \
            .help = "threads to use; otherwise the CPUs that this process may use"                 \
    }
#define COMMAND_OPTION_KERNELS                                                                     \
    {                                                                                              \
        COMMAND_CHOICE, "kernels", 0, COMMAND_HINT_NONE, .value = "SET", .preset = "auto",         \
                                                         .choices = command_kernel_sets,           \
                                                         .help = "the kernels that compute"        \
    }
#define COMMAND_OPTION_PRECISION                                                                   \
    {                                                                                              \
        COMMAND_CHOICE, "precision", 0, COMMAND_HINT_NONE, .value = "P", .preset = "auto",         \
                                                           .choices = command_precisions,          \
                                                           .help = "the arithmetic of the "        \
                                                                   "convolutions; int8 needs a "   \
                                                                   "calibrated model"              \
    }
#define COMMAND_OPTION_NO_CACHE                                                                    \
    {                                                                                              \
        COMMAND_FLAG, "no-cache", 0, COMMAND_HINT_NONE,                                            \
            .help = "pack the weights anew, and keep no file of them for the next time"            \
    }
#define COMMAND_OPTION_NO_ORIENTATION                                                              \
    {                                                                                              \
        COMMAND_FLAG, "no-orientation", 0, COMMAND_HINT_NONE,                                      \
            .help = "take the pixels as they are stored, whatever EXIF says"                       \
    }
#define COMMAND_OPTION_SCALE_DCT                                                                   \
    {                                                                                              \
        COMMAND_FLAG, "scale-dct", 0, COMMAND_HINT_NONE,                                           \
            .help = "decode large JPEGs at 1/2 or 1/4: quicker, not exactly PIL's pixels"          \
    }
#define COMMAND_OPTION_JSON(text)                                                                  \
    {                                                                                              \
        COMMAND_FLAG, "json", 'j', COMMAND_HINT_NONE, .help = (text)                               \
    }
#define COMMAND_OPTION_END                                                                         \
    {                                                                                              \
        .kind = COMMAND_END                                                                        \
    }

extern const char *const command_kernel_sets[];
extern const char *const command_precisions[];

#endif
