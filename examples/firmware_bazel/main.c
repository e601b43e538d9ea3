/* Stands for firmware: finds the model in its own memory and says what it is. firmware_make and
   firmware_bazel each have this file, so that either folder can be copied whole. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "digits_model.h"

int main(void) {
  if (memcmp(digits_model + 4, "TFL3", 4) != 0 || (uintptr_t)digits_model % 16 != 0) {
    fputs("this is no model\n", stderr);
    return 1;
  }
  printf("a model of %u bytes, aligned to 16\n", digits_model_size);
  return 0;
}
