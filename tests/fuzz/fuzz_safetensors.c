/* weights_safetensors: whatever parses holds what its header promises. */
#include "model/net/weights_safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/read_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weights *weights;
    struct error error = {0};
    enum status status = weights_safetensors_parse((struct span){data, size}, &weights, &error);
    if (status == STATUS_OK) {
        read_weights(weights, size);
        weights_destroy(weights);
    } else if (error.status != status || error.text[0] == 0) {
        abort();
    }
    return 0;
}
