#include "model/kernels/generic/transpose_f32.h"

void transpose_f32(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t column = 0; column < columns; column++)
        for (size_t row = 0; row < rows; row++)
            *to++ = from[row * columns + column];
}
