/* Checks a C int8 convolution against golden vectors: layer 0 of the demo model.
 *
 * conv_s8 is written as TFLite Micro's and CMSIS-NN's are: offsets are added,
 * shifts are positive to the left, output channels have multipliers of their own.
 * With -DBUG=1 it rounds once instead of twice, and the check has to fail. */
#include <stdint.h>
#include <stdio.h>

#include "op000.h"

#ifndef BUG
#define BUG 0
#endif

static int32_t high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

static int32_t shift_right(int32_t value, int bits)
{
    int32_t mask = (int32_t)(((int64_t)1 << bits) - 1);
    int32_t rest = value & mask;
    int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
    return (value >> bits) + (rest > threshold ? 1 : 0);
}

static int32_t rescale(int32_t value, int32_t multiplier, int shift)
{
    int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    if (BUG)
        return (int32_t)(((int64_t)value * multiplier + ((int64_t)1 << (30 - shift))) >>
                         (31 - shift));
    return shift_right(high_product((int32_t)((uint32_t)value << left), multiplier), right);
}

/* The accumulator of one output: what lies beyond the border is the zero point, and adds nothing. */
static int32_t window(const int8_t *input, int y, int x, int channel)
{
    int32_t sum = op000_bias[channel];
    for (int r = 0; r < OP000_FILTER_H; r++)
        for (int c = 0; c < OP000_FILTER_W; c++) {
            int row = y * OP000_STRIDE_H + r * OP000_DILATION_H - OP000_PAD_TOP;
            int column = x * OP000_STRIDE_W + c * OP000_DILATION_W - OP000_PAD_LEFT;
            if (row < 0 || row >= OP000_INPUT_DIM_H || column < 0 || column >= OP000_INPUT_DIM_W)
                continue;
            for (int i = 0; i < OP000_INPUT_DIM_C; i++) {
                int at = (row * OP000_INPUT_DIM_W + column) * OP000_INPUT_DIM_C + i;
                int tap = ((channel * OP000_FILTER_H + r) * OP000_FILTER_W + c) *
                              OP000_WEIGHTS_DIM_C + i;
                sum += (input[at] + OP000_INPUT_OFFSET) * op000_weights[tap];
            }
        }
    return sum;
}

static void conv_s8(const int8_t *input, int32_t *accumulator, int8_t *output)
{
    for (int y = 0; y < OP000_OUTPUT_DIM_H; y++)
        for (int x = 0; x < OP000_OUTPUT_DIM_W; x++)
            for (int o = 0; o < OP000_OUTPUT_DIM_C; o++) {
                int scale = sizeof(op000_multiplier) == sizeof(int32_t) ? 0 : o;
                int32_t sum = window(input, y, x, o);
                int32_t value = rescale(sum, op000_multiplier[scale], op000_shift[scale]);
                value += OP000_OUTPUT_OFFSET;
                if (value < OP000_ACTIVATION_MIN) value = OP000_ACTIVATION_MIN;
                if (value > OP000_ACTIVATION_MAX) value = OP000_ACTIVATION_MAX;
                *accumulator++ = sum;
                *output++ = (int8_t)value;
            }
}

#define COUNT (OP000_OUTPUT_DIM_H * OP000_OUTPUT_DIM_W * OP000_OUTPUT_DIM_C)

static int check(const char *id, const int8_t *input, const int32_t *sums, const int8_t *outputs)
{
    static int32_t accumulator[COUNT];
    static int8_t output[COUNT];
    conv_s8(input, accumulator, output);
    for (int i = 0; i < COUNT; i++)
        if (accumulator[i] != sums[i] || output[i] != outputs[i]) {
            printf("  %s  WRONG at %d: accumulator %ld, not %ld; output %d, not %d\n", id, i,
                   (long)accumulator[i], (long)sums[i], output[i], outputs[i]);
            return 1;
        }
    printf("  %s  right, %d outputs\n", id, COUNT);
    return 0;
}

int main(void)
{
    int failures = 0;
#define CHECK(c, id) failures += check(id, c##_input, c##_accumulator, c##_output);
    OP000_CASES(CHECK)
    return failures > 0;
}
