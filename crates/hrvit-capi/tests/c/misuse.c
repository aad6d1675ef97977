/*
 * misuse IMAGE: everything that hrvit.h says is an error, and the code that it must give.
 *
 * IMAGE is a small image of a segmentor. Runs under AddressSanitizer and Valgrind too.
 */
#define _POSIX_C_SOURCE 200112L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "hrvit.h"

static unsigned char *image;
static size_t image_bytes;

static void *aligned(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, HRVIT_ALIGNMENT, bytes) != 0)
        exit(3);
    return memory;
}

static int read_image(const char *path)
{
    FILE *file = fopen(path, "rb");
    long end;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) <= 0 || fseek(file, 0, SEEK_SET) != 0)
        return 1;
    image_bytes = (size_t)end;
    image = aligned(image_bytes + 1);
    return fread(image, 1, image_bytes, file) != image_bytes || fclose(file) != 0;
}

/* The size of a structure and fields that it does not know. */
static void structures(hrvit_model *model)
{
    struct {
        hrvit_model_info info;
        uint64_t more[2];
    } longer;
    hrvit_model_info info = HRVIT_INIT(hrvit_model_info);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    struct {
        hrvit_engine_options options;
        uint64_t more;
    } younger;
    hrvit_error error = HRVIT_INIT(hrvit_error);

    EXPECT(HRVIT_ERROR_NULL, hrvit_model_describe(model, NULL, NULL));
    info.struct_size = 0;
    EXPECT(HRVIT_ERROR_STRUCT_SIZE, hrvit_model_describe(model, &info, NULL));
    info.struct_size = (uint32_t)sizeof info - 1;
    EXPECT(HRVIT_ERROR_STRUCT_SIZE, hrvit_model_describe(model, &info, NULL));
    info.struct_size = UINT32_MAX;
    EXPECT(HRVIT_ERROR_STRUCT_SIZE, hrvit_model_describe(model, &info, NULL));
    memset(&longer, 0x5a, sizeof longer);
    longer.info.struct_size = (uint32_t)sizeof longer;
    EXPECT(HRVIT_OK, hrvit_model_describe(model, &longer.info, NULL));
    HOLDS(longer.info.struct_size == sizeof longer && longer.more[0] == 0 && longer.more[1] == 0 && longer.info.classes > 0);

    memset(&younger, 0, sizeof younger);
    younger.options.struct_size = (uint32_t)sizeof younger;
    EXPECT(HRVIT_OK, hrvit_plan(model, &younger.options, &plan, NULL));
    younger.more = 1;
    EXPECT(HRVIT_ERROR_STRUCT_SIZE, hrvit_plan(model, &younger.options, &plan, NULL));

    /* An error that cannot be told is one of its own, and nothing is done. */
    error.struct_size = 3;
    info.struct_size = (uint32_t)sizeof info;
    info.classes = 12345;
    EXPECT(HRVIT_ERROR_STRUCT_SIZE, hrvit_model_describe(model, &info, &error));
    HOLDS(info.classes == 12345);
    error.struct_size = (uint32_t)sizeof error;
    memset(error.text, 'x', sizeof error.text);
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_describe(NULL, &info, &error));
    HOLDS(error.status == HRVIT_ERROR_HANDLE && strlen(error.text) > 10);
    EXPECT(HRVIT_OK, hrvit_model_describe(model, &info, &error));
    HOLDS(error.status == HRVIT_OK && error.text[0] == 0);
    HOLDS(info.mean[0] > 0 && info.mean[1] > 0 && info.mean[2] > 0 && info.mean[3] == 0);
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_describe(model, NULL, &error));
    HOLDS(strncmp(error.text, "hrvit_model_info ", 17) == 0);
    EXPECT(HRVIT_ERROR_ALIGNMENT, hrvit_model_describe(model, (hrvit_model_info *)(void *)((char *)&longer + 1), NULL));
}

static void opening(const char *path)
{
    hrvit_model *model = (hrvit_model *)(void *)&image;
    hrvit_model_options options = HRVIT_INIT(hrvit_model_options);
    unsigned char *off = malloc(image_bytes + 1);

    EXPECT(HRVIT_ERROR_NULL, hrvit_model_open(image, image_bytes, NULL, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_open(NULL, image_bytes, NULL, &model, NULL));
    HOLDS(model == NULL);
    EXPECT(HRVIT_ERROR_IMAGE, hrvit_model_open(image, 0, NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_IMAGE, hrvit_model_open(image, 10, NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_IMAGE, hrvit_model_open(image, image_bytes - 1, NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_model_open(image, SIZE_MAX, NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_model_open(image, SIZE_MAX / 2 + 1, NULL, &model, NULL));
    options.flags = 0x80;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_open(image, image_bytes, &options, &model, NULL));
    image[image_bytes / 2] ^= 1;
    EXPECT(HRVIT_ERROR_IMAGE, hrvit_model_open(image, image_bytes, NULL, &model, NULL));
    image[image_bytes / 2] ^= 1;

    /* At an odd address only a copy will do. */
    memcpy(off + 1, image, image_bytes);
    EXPECT(HRVIT_ERROR_ALIGNMENT, hrvit_model_open(off + 1, image_bytes, NULL, &model, NULL));
    options.flags = HRVIT_MODEL_COPY;
    EXPECT(HRVIT_OK, hrvit_model_open(off + 1, image_bytes, &options, &model, NULL));
    free(off);
    structures(model);
    EXPECT(HRVIT_OK, hrvit_model_close(model, NULL));

    EXPECT(HRVIT_ERROR_FILE, hrvit_model_open_file("/no/such/file", NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_FILE, hrvit_model_open_file("", NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_FILE, hrvit_model_open_file("/", NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_FILE, hrvit_model_open_file("/", &options, &model, NULL));
    EXPECT(HRVIT_ERROR_IMAGE, hrvit_model_open_file("/dev/null", NULL, &model, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_open_file(NULL, NULL, &model, NULL));
    /* Mapped, then read. */
    EXPECT(HRVIT_OK, hrvit_model_open_file(path, NULL, &model, NULL));
    structures(model);
    EXPECT(HRVIT_OK, hrvit_model_close(model, NULL));
    EXPECT(HRVIT_OK, hrvit_model_open_file(path, &options, &model, NULL));
    structures(model);
    EXPECT(HRVIT_OK, hrvit_model_close(model, NULL));
    options.flags = 2;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_open_file(path, &options, &model, NULL));
}

/* Handles that are closed, of the other kind, or never were any. */
static void handles(hrvit_model *model, hrvit_engine *engine)
{
    hrvit_model_info info = HRVIT_INIT(hrvit_model_info);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_model *again = NULL, *many[65];
    hrvit_engine *other = NULL;
    int opened = 0;

    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_describe((hrvit_model *)(void *)engine, &info, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_describe((hrvit_engine *)(void *)model, &plan, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_describe((hrvit_model *)(void *)&info, &info, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_describe((hrvit_model *)UINTPTR_MAX, &info, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_describe((hrvit_model *)(uintptr_t)1, &info, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_close(NULL, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_close(NULL, NULL));
    EXPECT(HRVIT_ERROR_IN_USE, hrvit_model_close(model, NULL));

    EXPECT(HRVIT_OK, hrvit_model_open(image, image_bytes, NULL, &again, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_open(again, NULL, &other, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_close(other, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_close(other, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_describe(other, &plan, NULL));
    EXPECT(HRVIT_OK, hrvit_model_close(again, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_model_close(again, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_open(again, NULL, &other, NULL));
    HOLDS(other == NULL);

    while (opened < 65 && hrvit_model_open(image, image_bytes, NULL, &many[opened], NULL) == HRVIT_OK)
        opened++;
    HOLDS(opened == 63);
    EXPECT(HRVIT_ERROR_SLOTS, hrvit_model_open(image, image_bytes, NULL, &again, NULL));
    while (opened > 0)
        EXPECT(HRVIT_OK, hrvit_model_close(many[--opened], NULL));
}

static void planning(hrvit_model *model)
{
    hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_engine *engine, *second;
    unsigned char *arena;

    EXPECT(HRVIT_ERROR_NULL, hrvit_plan(model, NULL, NULL, NULL));
    options.workers = 9;
    EXPECT(HRVIT_ERROR_PLAN, hrvit_plan(model, &options, &plan, NULL));
    options.workers = 0;
    options.height = 33;
    EXPECT(HRVIT_ERROR_PLAN, hrvit_plan(model, &options, &plan, NULL));
    options.height = UINT32_MAX;
    EXPECT(HRVIT_ERROR_PLAN, hrvit_plan(model, &options, &plan, NULL));
    options.height = 0;
    options.arena_limit = 64;
    EXPECT(HRVIT_ERROR_PLAN, hrvit_plan(model, &options, &plan, NULL));
    options.arena_limit = 0;
    options.kernels = "none";
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_plan(model, &options, &plan, NULL));
    options.kernels = "mve";
    EXPECT(HRVIT_ERROR_UNSUPPORTED, hrvit_plan(model, &options, &plan, NULL));
    options.kernels = "scalar";
    EXPECT(HRVIT_OK, hrvit_plan(model, &options, &plan, NULL));
    HOLDS(strcmp(plan.kernels, "scalar") == 0);
    options.kernels = NULL;
    EXPECT(HRVIT_OK, hrvit_plan(model, &options, &plan, NULL));

    arena = aligned(2 * plan.arena_bytes + 64);
    options.arena_bytes = plan.arena_bytes;
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_open(model, &options, &engine, NULL));
    options.arena = arena;
    options.arena_bytes = plan.arena_bytes - 1;
    EXPECT(HRVIT_ERROR_ARENA, hrvit_engine_open(model, &options, &engine, NULL));
    options.arena_bytes = plan.arena_bytes;
    options.arena = arena + 8;
    EXPECT(HRVIT_ERROR_ALIGNMENT, hrvit_engine_open(model, &options, &engine, NULL));
    options.arena = image;
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_open(model, &options, &engine, NULL));
    options.arena = arena;
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_open(model, &options, NULL, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_open(model, &options, &engine, NULL));
    options.arena = arena + 64;
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_open(model, &options, &second, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_close(engine, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_open(model, &options, &second, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_close(second, NULL));
    free(arena);
}

/* Attempts of a callback, and their outcomes. */
typedef struct attempt {
    hrvit_model *model;
    hrvit_engine *engine;
    uint32_t stop_at;
    int32_t row_code;
    uint32_t calls;
} attempt;

static int32_t try_in_step(void *context, const hrvit_step *step)
{
    attempt *attempt = context;
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    char name[64];
    attempt->calls++;
    EXPECT(HRVIT_ERROR_BUSY, hrvit_engine_close(attempt->engine, NULL));
    EXPECT(HRVIT_ERROR_BUSY, hrvit_engine_describe(attempt->engine, &plan, NULL));
    EXPECT(HRVIT_ERROR_IN_USE, hrvit_model_close(attempt->model, NULL));
    EXPECT(HRVIT_OK, hrvit_model_step_name(attempt->model, step->index, name, sizeof name, NULL));
    return step->index >= attempt->stop_at;
}

static int32_t fail_at_row(void *context, uint32_t y, uint8_t *row, size_t row_bytes)
{
    attempt *attempt = context;
    attempt->calls++;
    memset(row, 128, row_bytes);
    return y == 7 ? attempt->row_code : 0;
}

static void frames(hrvit_model *model, hrvit_engine *engine)
{
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_frame frame = HRVIT_INIT(hrvit_frame);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    hrvit_run_options options = HRVIT_INIT(hrvit_run_options);
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_ranked ranked[2];
    attempt attempt = {model, engine, UINT32_MAX, 0, 0};
    uint8_t *pixels, *labels, *margins, *padded;
    int16_t *logits;
    size_t row_bytes;

    EXPECT(HRVIT_OK, hrvit_engine_describe(engine, &plan, NULL));
    row_bytes = 3 * (size_t)plan.width;
    pixels = malloc(plan.frame_bytes);
    labels = malloc(plan.label_bytes);
    margins = malloc(plan.label_bytes);
    logits = malloc(2 * plan.logit_count);
    padded = malloc((row_bytes + 5) * plan.height);
    for (size_t at = 0; at < plan.frame_bytes; at++) {
        pixels[at] = (uint8_t)(at * 7);
        padded[at / row_bytes * (row_bytes + 5) + at % row_bytes] = pixels[at];
    }

    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_segment(engine, NULL, &results, NULL, NULL));
    frame.pixels = pixels;
    frame.bytes = plan.frame_bytes;
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_segment(engine, &frame, NULL, NULL, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels_bytes = plan.label_bytes;
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels = labels;
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels_bytes--;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels_bytes = SIZE_MAX;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels_bytes = plan.label_bytes;
    results.margins_bytes = plan.label_bytes;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.margins = labels;
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.margins = margins;
    results.margin_shift = 32;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.margin_shift = 6;
    results.logits = (int16_t *)(void *)((char *)logits + 1);
    results.logits_count = plan.logit_count;
    EXPECT(HRVIT_ERROR_ALIGNMENT, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.logits = logits;
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels = image;
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels = pixels;
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    results.labels = labels;

    frame.bytes--;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, &error));
    HOLDS(strstr(error.text, "bytes of the frame is ") != NULL && strstr(error.text, ": expected ") != NULL);
    frame.bytes = plan.frame_bytes;
    frame.format = 1;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    frame.format = HRVIT_FRAME_RGB8;
    frame.row_bytes = row_bytes - 1;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    frame.row_bytes = SIZE_MAX;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));

    /* Rows with padding have the labels of rows without. */
    memcpy(margins, labels, plan.label_bytes);
    frame.pixels = padded;
    frame.row_bytes = row_bytes + 5;
    frame.bytes = (row_bytes + 5) * (plan.height - 1) + row_bytes;
    results.margins = NULL;
    results.margins_bytes = 0;
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    HOLDS(memcmp(margins, labels, plan.label_bytes) == 0);
    frame.bytes--;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    frame.pixels = pixels;
    frame.row_bytes = 0;
    frame.bytes = plan.frame_bytes;

    options.flags = 1;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_engine_segment(engine, &frame, &results, &options, NULL));
    options.flags = 0;
    options.step = try_in_step;
    options.step_context = &attempt;
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &frame, &results, &options, NULL));
    HOLDS(attempt.calls > 40);
    attempt.stop_at = 5;
    attempt.calls = 0;
    EXPECT(HRVIT_ERROR_STOPPED, hrvit_engine_segment(engine, &frame, &results, &options, NULL));
    HOLDS(attempt.calls == 11);
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &frame, &results, NULL, NULL));
    HOLDS(memcmp(margins, labels, plan.label_bytes) == 0);

    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_segment_rows(engine, NULL, NULL, &results, NULL, NULL));
    attempt.row_code = -5;
    attempt.calls = 0;
    EXPECT(HRVIT_ERROR_ROW, hrvit_engine_segment_rows(engine, fail_at_row, &attempt, &results, NULL, &error));
    HOLDS(attempt.calls == 8 && strstr(error.text, "-5") != NULL);
    attempt.row_code = 0;
    EXPECT(HRVIT_OK, hrvit_engine_segment_rows(engine, fail_at_row, &attempt, &results, NULL, NULL));

    EXPECT(HRVIT_ERROR_HEAD, hrvit_engine_classify(engine, &frame, ranked, 2, NULL, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_logits(engine, &frame, logits, plan.logit_count - 1, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_logits(engine, &frame, NULL, plan.logit_count, NULL, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_logits(engine, &frame, logits, plan.logit_count, NULL, NULL));
    free(pixels);
    free(labels);
    free(margins);
    free(logits);
    free(padded);
}

static void texts(hrvit_model *model)
{
    hrvit_model_info info = HRVIT_INIT(hrvit_model_info);
    char text[64];
    uint8_t rgb[3];
    uint32_t shift, crc;
    float unit, value;
    int16_t logit = 3;
    const uint8_t *pixels;
    size_t bytes;

    EXPECT(HRVIT_OK, hrvit_model_describe(model, &info, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_class_name(model, info.classes, text, sizeof text, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_class_colour(model, info.classes, rgb, NULL));
    EXPECT(info.contents & HRVIT_HAS_NAMES ? HRVIT_OK : HRVIT_ERROR_MISSING, hrvit_model_class_name(model, 0, text, sizeof text, NULL));
    EXPECT(info.contents & HRVIT_HAS_COLOURS ? HRVIT_OK : HRVIT_ERROR_MISSING, hrvit_model_class_colour(model, 0, rgb, NULL));
    EXPECT(info.contents & HRVIT_HAS_GOLDEN ? HRVIT_OK : HRVIT_ERROR_MISSING, hrvit_model_golden_frame(model, &pixels, &bytes, NULL));
    EXPECT(info.contents & HRVIT_HAS_GOLDEN ? HRVIT_OK : HRVIT_ERROR_MISSING, hrvit_model_golden_crc(model, info.steps - 1, &crc, NULL));
    EXPECT(HRVIT_OK, hrvit_model_step_name(model, 0, text, 5, NULL));
    HOLDS(strcmp(text, "stem") == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_model_step_name(model, 0, text, 4, NULL));
    HOLDS(strcmp(text, "ste") == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_model_step_name(model, 0, text, 0, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_step_name(model, 0, NULL, 64, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_step_name(model, info.steps, text, sizeof text, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_step_name(model, UINT32_MAX, text, sizeof text, NULL));
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_model_step_name(model, 0, (char *)image, 64, NULL));
    EXPECT(HRVIT_OK, hrvit_model_margin_shift(model, 8.0f, &shift, NULL));
    EXPECT(HRVIT_OK, hrvit_model_margin_unit(model, shift, &unit, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_model_margin_unit(model, 32, &unit, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_margin_unit(model, 0, NULL, NULL));
    EXPECT(HRVIT_OK, hrvit_model_logit_values(model, &logit, 1, &value, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_model_logit_values(model, NULL, 1, &value, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_model_logit_values(model, &logit, SIZE_MAX, &value, NULL));
    HOLDS(strlen(hrvit_status_text(-1)) > 0 && strlen(hrvit_status_text(HRVIT_ERROR_BUSY)) > 0 && strlen(hrvit_version()) > 0);
}

int main(int count, char **arguments)
{
    hrvit_model *model = NULL;
    hrvit_engine *engine = NULL;

    if (count != 2 || read_image(arguments[1]) != 0) {
        fprintf(stderr, "usage: misuse IMAGE\n");
        return 2;
    }
    HOLDS(hrvit_abi_version() == HRVIT_ABI_VERSION);
    HOLDS((hrvit_features() & HRVIT_FEATURE_STD) != 0);
    opening(arguments[1]);
    EXPECT(HRVIT_OK, hrvit_model_open(image, image_bytes, NULL, &model, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_open(model, NULL, &engine, NULL));
    handles(model, engine);
    planning(model);
    texts(model);
    frames(model, engine);
    EXPECT(HRVIT_OK, hrvit_engine_close(engine, NULL));
    EXPECT(HRVIT_OK, hrvit_model_close(model, NULL));
    free(image);
    printf("complaints=%d\n", complaints);
    return complaints != 0;
}
