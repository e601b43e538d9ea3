/* A convolution of int8 and its rescaling as plain loops, for tests to compare with.
 *
 * Standard input, whitespace-separated integers:
 *   rounding groups n h w channels count kernel_h kernel_w depth
 *   stride_y stride_x dilation_y dilation_x out_h out_w before_y before_x
 *   zero_in zero_out low high
 *   then per output channel: bias, multiplier, shift; the filters (OHWI); the data (NHWC).
 * rounding: 0 the whole product once, ties up; 1 shift, ties up; 2 to even; 3 away; 4 bits dropped.
 * Standard output: the outputs, one a line. Needs arithmetic right shifts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static long long next(void) {
  long long value;
  if (scanf("%lld", &value) != 1) exit(2);
  return value;
}

static int64_t shifted(int64_t value, int bits, int rounding) {
  if (bits <= 0) return value * ((int64_t)1 << -bits);
  int64_t floor_part = value >> bits;
  int64_t rest = value - floor_part * ((int64_t)1 << bits);
  int64_t half = (int64_t)1 << (bits - 1);
  if (rounding == 4 || rest < half) return floor_part;
  if (rest > half) return floor_part + 1;
  if (rounding == 1) return floor_part + 1;
  if (rounding == 2) return floor_part + (floor_part & 1);
  return value < 0 ? floor_part : floor_part + 1;
}

static int64_t rescaled(int32_t value, int64_t multiplier, int shift, int rounding) {
  if (rounding == 0) return shifted((int64_t)value * multiplier, 31 - shift, 1);
  return shifted(value, 1 - shift, rounding);
}

int main(void) {
  int head[22];
  for (int i = 0; i < 22; ++i) head[i] = (int)next();
  int rounding = head[0], groups = head[1], n = head[2], h = head[3], w = head[4];
  int channels = head[5], count = head[6], kh = head[7], kw = head[8], depth = head[9];
  int sy = head[10], sx = head[11], dy = head[12], dx = head[13], oh = head[14], ow = head[15];
  int py = head[16], px = head[17], zero_in = head[18], zero_out = head[19];
  int low = head[20], high = head[21];
  int64_t *channel = malloc(sizeof(int64_t) * 3 * count);
  int *filters = malloc(sizeof(int) * count * kh * kw * depth);
  int *data = malloc(sizeof(int) * n * h * w * channels);
  for (int i = 0; i < 3 * count; ++i) channel[i] = next();
  for (int i = 0; i < count * kh * kw * depth; ++i) filters[i] = (int)next();
  for (int i = 0; i < n * h * w * channels; ++i) data[i] = (int)next();
  for (int b = 0; b < n; ++b)
    for (int y = 0; y < oh; ++y)
      for (int x = 0; x < ow; ++x)
        for (int o = 0; o < count; ++o) {
          int32_t sum = (int32_t)channel[3 * o];
          int first = o / (count / groups) * depth;
          for (int r = 0; r < kh; ++r)
            for (int c = 0; c < kw; ++c) {
              int iy = y * sy + r * dy - py, ix = x * sx + c * dx - px;
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              for (int k = 0; k < depth; ++k)
                sum += (data[((b * h + iy) * w + ix) * channels + first + k] - zero_in) *
                       filters[((o * kh + r) * kw + c) * depth + k];
            }
          int64_t out =
              rescaled(sum, channel[3 * o + 1], (int)channel[3 * o + 2], rounding) + zero_out;
          printf("%" PRId64 "\n", out < low ? low : out > high ? high : out);
        }
  return 0;
}
