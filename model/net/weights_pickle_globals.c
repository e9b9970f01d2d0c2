#include "model/net/weights_pickle_globals.h"

/* What a state dict needs, and, inert, what PyTorch's and torchvision's training scripts keep
 * beside it in a checkpoint. */
static const struct weights_pickle_global globals[] = {
    {"collections", "OrderedDict", WEIGHTS_PICKLE_ROLE_DICT, WEIGHTS_OTHER, 0},
    {"torch._utils", "_rebuild_tensor", WEIGHTS_PICKLE_ROLE_TENSOR_V1, WEIGHTS_OTHER, 0},
    {"torch._utils", "_rebuild_tensor_v2", WEIGHTS_PICKLE_ROLE_TENSOR_V2, WEIGHTS_OTHER, 0},
    {"torch._utils", "_rebuild_parameter", WEIGHTS_PICKLE_ROLE_PARAMETER, WEIGHTS_OTHER, 0},
    {"torch", "FloatStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F32, 4},
    {"torch", "HalfStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F16, 2},
    {"torch", "BFloat16Storage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_BF16, 2},
    {"torch", "DoubleStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F64, 8},
    {"torch", "LongStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_I64, 8},
    {"torch", "IntStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_OTHER, 4},
    {"torch", "ShortStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_OTHER, 2},
    {"torch", "CharStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_OTHER, 1},
    {"torch", "ByteStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_OTHER, 1},
    {"torch", "BoolStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_OTHER, 1},
    /* Old files name the storages of tensors on a GPU so. */
    {"torch.cuda", "FloatStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F32, 4},
    {"torch.cuda", "HalfStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F16, 2},
    {"torch.cuda", "DoubleStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_F64, 8},
    {"torch.cuda", "LongStorage", WEIGHTS_PICKLE_ROLE_STORAGE, WEIGHTS_I64, 8},
    {"torch", "Size", WEIGHTS_PICKLE_ROLE_INERT, WEIGHTS_OTHER, 0},
    {"collections", "Counter", WEIGHTS_PICKLE_ROLE_INERT, WEIGHTS_OTHER, 0},
    {"argparse", "Namespace", WEIGHTS_PICKLE_ROLE_INERT, WEIGHTS_OTHER, 0},
    {"__builtin__", "set", WEIGHTS_PICKLE_ROLE_INERT, WEIGHTS_OTHER, 0},
    {"builtins", "set", WEIGHTS_PICKLE_ROLE_INERT, WEIGHTS_OTHER, 0},
};

static bool is(struct span text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

const struct weights_pickle_global *weights_pickle_globals_find(struct span module,
                                                                struct span name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (is(module, globals[i].module) && is(name, globals[i].name))
            return &globals[i];
    }
    return NULL;
}
