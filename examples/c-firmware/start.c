/*
 * start.c: from reset to main on a Cortex-M, without a C library: vectors, memory, the floating-point
 * and vector unit; exit and text through the debugger's semihosting.
 */
#include "board.h"

#include <stdint.h>

extern uint32_t stack_top[], data_start[], data_end[], data_image[], bss_start[], bss_end[];

int main(void);

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_exit(uint32_t code)
{
    const uint32_t block[2] = {0x20026u /* ADP_Stopped_ApplicationExit */, code};
    semihost(0x20u /* SYS_EXIT_EXTENDED */, block);
    for (;;) {
    }
}

void board_print(const char *text)
{
    static uint32_t out;
    uint32_t length = 0;
    if (out == 0) {
        static const char console[] = ":tt";
        const uint32_t open[3] = {(uint32_t)(uintptr_t)console, 4u /* "w": standard output */, sizeof console - 1};
        out = semihost(0x01u /* SYS_OPEN */, open);
    }
    while (text[length] != 0)
        length++;
    const uint32_t write[3] = {out, (uint32_t)(uintptr_t)text, length};
    semihost(0x05u /* SYS_WRITE */, write);
}

void reset(void)
{
    /* Coprocessors 10 and 11: floating point and MVE. */
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xe000ed88u;
    *cpacr |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (uint32_t *to = data_start, *from = data_image; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    board_exit((uint32_t)main());
}

static void fault(void)
{
    board_print("fault of the processor\n");
    board_exit(1);
}

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault, fault, 0, 0, 0, fault, fault, 0, fault, fault}};

/* Functions that the compiler calls for this program. GCC may ask for memmove and memcmp too. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int value, unsigned length)
{
    unsigned char *bytes = to;
    for (unsigned at = 0; at < length; at++)
        bytes[at] = (unsigned char)value;
    return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memcpy(void *to, const void *from, unsigned length)
{
    unsigned char *bytes = to;
    for (unsigned at = 0; at < length; at++)
        bytes[at] = ((const unsigned char *)from)[at];
    return to;
}
