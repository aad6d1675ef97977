/*
 * segment MODEL [WORKERS]: segments the golden frame of a model image in memory of its own, prints
 * what it sees, how sure it is and the CRC-32 of the label map.
 *
 * C99, libhrvit and the C library:
 *   cc -std=c99 segment.c $(pkg-config --cflags --libs hrvit-static) -o segment
 */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "hrvit.h"

/* State that a program keeps between frames. */
typedef struct vision {
    hrvit_model *model;
    hrvit_engine *engine;
    hrvit_model_info about;
    hrvit_engine_info plan;
    void *arena;
    uint8_t *labels;
    uint8_t *margins;
} vision;

/* Prints what went wrong; 0 if nothing did. */
static int failed(hrvit_status status, const char *what, const hrvit_error *error)
{
    if (status == HRVIT_OK)
        return 0;
    fprintf(stderr, "%s: %s (code %d)\n", what, error->text, (int)status);
    return 1;
}

static int vision_open(vision *vision, const char *path, uint32_t workers)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_model_info about = HRVIT_INIT(hrvit_model_info);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);

    memset(vision, 0, sizeof *vision);
    if (failed(hrvit_model_open_file(path, NULL, &vision->model, &error), "opening the model", &error) ||
        failed(hrvit_model_describe(vision->model, &about, &error), "describing the model", &error))
        return 1;

    options.workers = workers;
    if (failed(hrvit_plan(vision->model, &options, &plan, &error), "planning", &error))
        return 1;
    vision->labels = malloc(plan.label_bytes);
    vision->margins = malloc(plan.label_bytes);
    if (posix_memalign(&vision->arena, HRVIT_ALIGNMENT, plan.arena_bytes) != 0 || !vision->labels || !vision->margins) {
        fprintf(stderr, "no memory for %zu bytes\n", plan.arena_bytes);
        return 1;
    }
    options.arena = vision->arena;
    options.arena_bytes = plan.arena_bytes;
    vision->about = about;
    vision->plan = plan;
    return failed(hrvit_engine_open(vision->model, &options, &vision->engine, &error), "opening the engine", &error);
}

static void vision_close(vision *vision)
{
    /* Closing NULL is an error code and nothing else. */
    hrvit_engine_close(vision->engine, NULL);
    hrvit_model_close(vision->model, NULL);
    free(vision->arena);
    free(vision->labels);
    free(vision->margins);
}

/* Counts steps as they end. A program with a deadline would return 1 to stop the frame. */
static int32_t count_steps(void *context, const hrvit_step *step)
{
    uint32_t *ended = context;
    *ended += step->event == HRVIT_STEP_ENDED;
    return 0;
}

/* Hands out the rows of a frame in memory, as a camera's driver would those of its sensor. */
static int32_t next_row(void *context, uint32_t y, uint8_t *row, size_t row_bytes)
{
    const uint8_t *pixels = context;
    memcpy(row, pixels + y * row_bytes, row_bytes);
    return 0;
}

static int see(vision *vision)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_frame frame = HRVIT_INIT(hrvit_frame);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    hrvit_run_options options = HRVIT_INIT(hrvit_run_options);
    uint32_t ended = 0, whole, rows;

    if (failed(hrvit_model_golden_frame(vision->model, &frame.pixels, &frame.bytes, &error), "the golden frame", &error))
        return 1;
    results.labels = vision->labels;
    results.labels_bytes = vision->plan.label_bytes;
    options.step = count_steps;
    options.step_context = &ended;
    if (failed(hrvit_engine_segment(vision->engine, &frame, &results, &options, &error), "segmenting", &error))
        return 1;
    whole = crc32(vision->labels, vision->plan.label_bytes);
    if (ended != vision->about.steps) {
        fprintf(stderr, "%u steps ended, the model has %u\n", (unsigned)ended, (unsigned)vision->about.steps);
        return 1;
    }

    /* The same from rows, with how sure every label is: up to 8 logits ahead of the second best. */
    results.margins = vision->margins;
    results.margins_bytes = vision->plan.label_bytes;
    if (failed(hrvit_model_margin_shift(vision->model, 8.0f, &results.margin_shift, &error), "a shift of margins", &error) ||
        failed(hrvit_engine_segment_rows(vision->engine, next_row, (void *)(uintptr_t)frame.pixels, &results, NULL, &error),
               "segmenting rows", &error))
        return 1;
    rows = crc32(vision->labels, vision->plan.label_bytes);
    if (rows != whole) {
        fprintf(stderr, "labels of rows %08x, of the whole frame %08x\n", (unsigned)rows, (unsigned)whole);
        return 1;
    }

    float unit = 0;
    if (failed(hrvit_model_margin_unit(vision->model, results.margin_shift, &unit, &error), "the unit of margins", &error))
        return 1;
    double margin = 0;
    size_t areas[256] = {0};
    for (size_t at = 0; at < vision->plan.label_bytes; at++) {
        areas[vision->labels[at]]++;
        margin += vision->margins[at];
    }
    printf("%s kernels, arena of %zu bytes, mean margin %.2f logits\n", vision->plan.kernels, vision->plan.arena_bytes,
           margin * (double)unit / (double)vision->plan.label_bytes);
    for (uint32_t class = 0; class < vision->about.classes; class++) {
        char name[64] = "";
        uint8_t rgb[3] = {0};
        if (areas[class] == 0)
            continue;
        hrvit_model_class_name(vision->model, class, name, sizeof name, NULL);
        hrvit_model_class_colour(vision->model, class, rgb, NULL);
        printf("  class %2u %-12s #%02x%02x%02x %5.1f %%\n", (unsigned)class, name, rgb[0], rgb[1], rgb[2],
               100.0 * (double)areas[class] / (double)vision->plan.label_bytes);
    }
    uint32_t expected = 0;
    /* An image with half-precision steps has no expected bytes: HRVIT_ERROR_MISSING. */
    if (hrvit_model_golden_crc(vision->model, vision->about.steps - 1, &expected, NULL) == HRVIT_OK && expected != whole) {
        fprintf(stderr, "labels %08x, but %08x when the image was made\n", (unsigned)whole, (unsigned)expected);
        return 1;
    }
    printf("labels_crc=%08x\n", (unsigned)whole);
    return 0;
}

int main(int count, char **arguments)
{
    vision vision;
    int code;

    if (count < 2) {
        fprintf(stderr, "usage: segment MODEL [WORKERS]\n");
        return 2;
    }
    if (hrvit_abi_version() != HRVIT_ABI_VERSION) {
        fprintf(stderr, "libhrvit %s and hrvit.h do not belong together\n", hrvit_version());
        return 1;
    }
    code = vision_open(&vision, arguments[1], count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 1) || see(&vision);
    vision_close(&vision);
    return code;
}
