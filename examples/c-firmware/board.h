/* board.h: what main.c needs of the machine. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Address of the model image, as QEMU's loader (on a board: the flasher) places it, and its room. */
#define MODEL_ADDRESS 0x60000000u
#define MODEL_BYTES (64u << 20)

/* Ends the program with a code that the debugger sees. */
_Noreturn void board_exit(uint32_t code);

/* Prints a text that ends with a NUL. */
void board_print(const char *text);

#endif
