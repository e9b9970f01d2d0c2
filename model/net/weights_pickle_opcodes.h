/* The instructions of Python's pickle protocols 2 to 5, as far as torch.save uses them. Private to
 * model/net/weights_pickle*.c. */
#ifndef CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_OPCODES_H
#define CLASSIFYD_MODEL_NET_WEIGHTS_PICKLE_OPCODES_H

#include "model/net/weights_pickle_machine.h"

#define WEIGHTS_PICKLE_OPCODES_REFUSED "not something a state dict needs; nothing was run"

struct weights_pickle_opcode {
    const char *name;                                           /* as pickletools.py calls it */
    enum status (*run)(struct weights_pickle_machine *machine); /* NULL: known by name, refused */
    uint8_t operand_bytes; /* of the number behind the opcode */
    bool has_text;         /* that many bytes follow */
};

/* NULL for a number that no opcode has. */
const struct weights_pickle_opcode *weights_pickle_opcodes_find(uint8_t code);

#endif
