/*
 * main.c: a firmware in C, without any Rust source, that segments the golden frame of the model image
 * at MODEL_ADDRESS (on a board: flash) and says what came out. All memory is its own; there is no
 * heap and no operating system.
 */
#include "board.h"
#include "crc32.h"
#include "hrvit.h"

#include <stdint.h>

/* hrvit_plan says how much is needed: the nano network at 192x256 takes 216,960 bytes. */
#ifndef ARENA_BYTES
#define ARENA_BYTES 216960
#endif
#ifndef MOST_PIXELS
#define MOST_PIXELS (192 * 256)
#endif

__attribute__((section(".sram"), aligned(HRVIT_ALIGNMENT))) static unsigned char arena[ARENA_BYTES];
__attribute__((section(".sram"))) static uint8_t labels[MOST_PIXELS];
static hrvit_error error = HRVIT_INIT(hrvit_error);

extern uint32_t stack_limit[];

static void print_number(const char *name, uint32_t number, uint32_t base)
{
    char digits[12];
    uint32_t at = sizeof digits;
    digits[--at] = 0;
    digits[--at] = '\n';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0 || (base == 16 && at > sizeof digits - 10));
    board_print(name);
    board_print(&digits[at]);
}

static void must(hrvit_status status)
{
    if (status == HRVIT_OK)
        return;
    board_print(error.text);
    board_print("\n");
    board_exit((uint32_t)status + 64);
}

/* The free stack is painted, and read back afterwards: how deep a frame goes. */
#define PAINT 0x5ac35ac3u

static uint32_t *stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

static void paint(void)
{
    for (volatile uint32_t *at = stack_limit; at < stack_pointer() - 8; at++)
        *at = PAINT;
}

static uint32_t painted_over(const uint32_t *from)
{
    const volatile uint32_t *at = stack_limit;
    while (*at == PAINT)
        at++;
    return (uint32_t)((from - at) * (intptr_t)sizeof *from);
}

int main(void)
{
    hrvit_model *model;
    hrvit_engine *engine;
    hrvit_model_info about = HRVIT_INIT(hrvit_model_info);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
    hrvit_frame frame = HRVIT_INIT(hrvit_frame);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    uint32_t expected = 0;

    paint();
    must(hrvit_model_open((const void *)MODEL_ADDRESS, MODEL_BYTES, NULL, &model, &error));
    options.arena = arena;
    options.arena_bytes = sizeof arena;
    must(hrvit_engine_open(model, &options, &engine, &error));
    must(hrvit_engine_describe(engine, &plan, &error));
    print_number("open_stack=", painted_over(stack_pointer()), 10);
    if (plan.label_bytes > sizeof labels) {
        print_number("the label map is too large for this program: ", (uint32_t)plan.label_bytes, 10);
        return 2;
    }

    must(hrvit_model_golden_frame(model, &frame.pixels, &frame.bytes, &error));
    results.labels = labels;
    results.labels_bytes = plan.label_bytes;
    paint();
    must(hrvit_engine_segment(engine, &frame, &results, NULL, &error));
    print_number("stack=", painted_over(stack_pointer()), 10);
    print_number("arena=", (uint32_t)plan.arena_bytes, 10);
    board_print("kernels=");
    board_print(plan.kernels);
    print_number("\nlabels_crc=", crc32(labels, plan.label_bytes), 16);

    /* The same bytes as when the image was made. */
    must(hrvit_model_describe(model, &about, &error));
    must(hrvit_model_golden_crc(model, about.steps - 1, &expected, &error));
    if (crc32(labels, plan.label_bytes) != expected)
        return 5;

    /* Errors are codes here too: an engine that is closed is no engine. */
    must(hrvit_engine_close(engine, &error));
    if (hrvit_engine_segment(engine, &frame, &results, NULL, NULL) != HRVIT_ERROR_HANDLE)
        return 3;
    if (hrvit_model_open_file("model", NULL, &model, NULL) != HRVIT_ERROR_UNSUPPORTED)
        return 4;
    return 0;
}
