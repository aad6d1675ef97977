/*
 * camera IMAGE: camera frames that hrvit.h refuses and their codes; and labels, overlays and masks
 * that must be what they are described as.
 *
 * IMAGE is a small image of a segmentor. Runs under AddressSanitizer and Valgrind too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "hrvit.h"

static hrvit_engine *engine;
static hrvit_engine_info plan;
static uint8_t *labels;
static hrvit_segmentation results;

static hrvit_status see(const hrvit_camera_frame *frame)
{
    return hrvit_engine_segment_camera(engine, frame, NULL, 0, &results, NULL, NULL);
}

/* A frame of RGB that has the plan's size is the frame of hrvit_engine_segment. */
static void plain(void)
{
    hrvit_frame rgb = HRVIT_INIT(hrvit_frame);
    hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame);
    uint8_t *pixels = malloc(plan.frame_bytes), *expected = malloc(plan.label_bytes);
    uint32_t *scratch;
    size_t words = 0;

    for (size_t at = 0; at < plan.frame_bytes; at++)
        pixels[at] = (uint8_t)(at / 7);
    rgb.pixels = pixels;
    rgb.bytes = plan.frame_bytes;
    EXPECT(HRVIT_OK, hrvit_engine_segment(engine, &rgb, &results, NULL, NULL));
    memcpy(expected, labels, plan.label_bytes);

    frame.format = HRVIT_CAMERA_RGB;
    frame.width = plan.width;
    frame.height = plan.height;
    frame.planes[0] = pixels;
    frame.plane_bytes[0] = plan.frame_bytes;
    memset(labels, 99, plan.label_bytes);
    EXPECT(HRVIT_OK, see(&frame));
    HOLDS(memcmp(expected, labels, plan.label_bytes) == 0);

    EXPECT(HRVIT_OK, hrvit_camera_scratch(engine, &frame, &words, NULL));
    scratch = malloc(words * sizeof *scratch);
    memset(labels, 99, plan.label_bytes);
    EXPECT(HRVIT_OK, hrvit_engine_segment_camera(engine, &frame, scratch, words, &results, NULL, NULL));
    HOLDS(memcmp(expected, labels, plan.label_bytes) == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_engine_segment_camera(engine, &frame, scratch, words - 1, &results, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_engine_segment_camera(engine, &frame, NULL, words, &results, NULL, NULL));
    EXPECT(HRVIT_ERROR_ALIGNMENT, hrvit_engine_segment_camera(engine, &frame, (uint32_t *)(void *)((char *)scratch + 1), words - 1, &results, NULL, NULL));
    EXPECT(HRVIT_ERROR_HANDLE, hrvit_engine_segment_camera(NULL, &frame, scratch, words, &results, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_scratch(engine, &frame, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_scratch(engine, NULL, &words, NULL));

    /* The output overlaps neither the frame nor the scratch. */
    results.labels = pixels;
    EXPECT(HRVIT_ERROR_OVERLAP, see(&frame));
    results.labels = (uint8_t *)scratch;
    if (words * sizeof *scratch >= plan.label_bytes)
        EXPECT(HRVIT_ERROR_OVERLAP, hrvit_engine_segment_camera(engine, &frame, scratch, words, &results, NULL, NULL));
    results.labels = labels;
    free(scratch);
    free(expected);
    free(pixels);
}

static void refused(void)
{
    hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame), wrong;
    uint8_t *buffer = calloc(3, 64 * 48);
    hrvit_error error = HRVIT_INIT(hrvit_error);

    frame.format = HRVIT_CAMERA_NV12;
    frame.width = 60;
    frame.height = 48;
    frame.planes[0] = buffer;
    frame.plane_bytes[0] = 64 * 48;
    frame.row_bytes[0] = 64;
    frame.planes[1] = buffer + 64 * 48;
    frame.plane_bytes[1] = 64 * 24;
    frame.row_bytes[1] = 64;
    EXPECT(HRVIT_OK, see(&frame));
    EXPECT(HRVIT_ERROR_NULL, see(NULL));

#define WRONG(field, value, status)  \
    do {                             \
        wrong = frame;               \
        wrong.field = value;         \
        EXPECT(status, see(&wrong)); \
    } while (0)
    WRONG(struct_size, 8, HRVIT_ERROR_STRUCT_SIZE);
    WRONG(format, 14, HRVIT_ERROR_ARGUMENT);
    WRONG(format, UINT32_MAX, HRVIT_ERROR_ARGUMENT);
    WRONG(width, 0, HRVIT_ERROR_ARGUMENT);
    WRONG(width, 65536, HRVIT_ERROR_ARGUMENT);
    WRONG(width, 65, HRVIT_ERROR_SIZE);
    WRONG(height, 49, HRVIT_ERROR_SIZE);
    WRONG(height, UINT32_MAX, HRVIT_ERROR_ARGUMENT);
    WRONG(matrix, 2, HRVIT_ERROR_ARGUMENT);
    WRONG(range, 2, HRVIT_ERROR_ARGUMENT);
    WRONG(rotation, 45, HRVIT_ERROR_ARGUMENT);
    WRONG(rotation, 65536 + 90, HRVIT_ERROR_ARGUMENT);
    WRONG(mirror, 2, HRVIT_ERROR_ARGUMENT);
    WRONG(fit, HRVIT_FIT_KEEP_RATIO, HRVIT_ERROR_ARGUMENT);
    WRONG(filter, 2, HRVIT_ERROR_ARGUMENT);
    WRONG(reserved, 1, HRVIT_ERROR_ARGUMENT);
    WRONG(region_x, 1, HRVIT_ERROR_ARGUMENT);
    WRONG(planes[1], NULL, HRVIT_ERROR_NULL);
    WRONG(plane_bytes[1], 64 * 23 + 59, HRVIT_ERROR_SIZE);
    WRONG(plane_bytes[0], SIZE_MAX, HRVIT_ERROR_SIZE);
    WRONG(row_bytes[0], 59, HRVIT_ERROR_SIZE);
    WRONG(row_bytes[0], SIZE_MAX, HRVIT_ERROR_SIZE);
    wrong = frame;
    wrong.region_width = 61;
    wrong.region_height = 1;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_engine_segment_camera(engine, &wrong, NULL, 0, &results, NULL, &error));
    HOLDS(strstr(error.text, "inside the frame") != NULL);
    /* The last row ends with its pixels; a turned, mirrored part is fine. */
    WRONG(plane_bytes[1], 64 * 23 + 60, HRVIT_OK);
    wrong = frame;
    wrong.region_x = 3;
    wrong.region_y = 5;
    wrong.region_width = 40;
    wrong.region_height = 30;
    wrong.rotation = 270;
    wrong.mirror = 1;
    wrong.fit = HRVIT_FIT_LETTERBOX;
    EXPECT(HRVIT_OK, see(&wrong));
    free(buffer);
}

static void back(void)
{
    hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame);
    const uint8_t map[2] = {1, 2};
    const hrvit_ink palette[3] = {{0, 0, 0, 0}, {200, 0, 100, 255}, {10, 20, 30, 0}};
    uint8_t pixels[4 * 4 * 2], own[8];

    memset(pixels, 100, sizeof pixels);
    frame.format = HRVIT_CAMERA_RGBA;
    frame.width = 4;
    frame.height = 2;
    frame.planes[0] = pixels;
    frame.plane_bytes[0] = sizeof pixels;
    EXPECT(HRVIT_OK, hrvit_camera_overlay(&frame, map, 2, 1, 2, palette, 3, NULL));
    HOLDS(pixels[0] == 200 && pixels[1] == 0 && pixels[2] == 100 && pixels[3] == 100 && pixels[8] == 100);
    EXPECT(HRVIT_OK, hrvit_camera_labels(&frame, map, 2, 1, 2, 255, own, 8, NULL));
    HOLDS(memcmp(own, "\1\1\2\2\1\1\2\2", 8) == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_camera_labels(&frame, map, 2, 1, 2, 255, own, 7, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_camera_labels(&frame, map, 1, 1, 2, 255, own, 8, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_camera_labels(&frame, map, 2, 1, 2, 256, own, 8, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_camera_labels(&frame, map, 2, 0, 2, 255, own, 8, NULL));
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_camera_labels(&frame, map, 2, 70000, 2, 255, own, 8, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_labels(&frame, NULL, 2, 1, 2, 255, own, 8, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_labels(&frame, map, 2, 1, 2, 255, NULL, 8, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_camera_overlay(&frame, map, 1, 1, 2, palette, 3, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_overlay(&frame, map, 2, 1, 2, NULL, 3, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_camera_overlay(&frame, NULL, 2, 1, 2, palette, 3, NULL));
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_camera_overlay(&frame, pixels, 2, 1, 2, palette, 3, NULL));
    frame.format = HRVIT_CAMERA_YUYV;
    EXPECT(HRVIT_ERROR_ARGUMENT, hrvit_camera_overlay(&frame, map, 2, 1, 2, palette, 3, NULL));
    frame.format = HRVIT_CAMERA_RGBA;
    frame.plane_bytes[0]--;
    EXPECT(HRVIT_ERROR_SIZE, hrvit_camera_overlay(&frame, map, 2, 1, 2, palette, 3, NULL));
}

static void masks(void)
{
    const uint8_t map[18] = {3, 0, 7, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 7}, chosen[2] = {3, 7};
    uint8_t bits[4];
    hrvit_label_run runs[4];
    hrvit_extent extents[300];
    size_t found = 0;

    EXPECT(HRVIT_OK, hrvit_labels_mask(map, 18, 9, chosen, 2, bits, 4, NULL));
    HOLDS(memcmp(bits, "\xa1\x80\x00\x80", 4) == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_labels_mask(map, 18, 9, chosen, 2, bits, 3, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_labels_mask(map, 18, 0, chosen, 2, bits, 0, NULL));
    EXPECT(HRVIT_ERROR_SIZE, hrvit_labels_mask(map, 17, 9, chosen, 2, bits, 4, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_labels_mask(map, 18, 9, chosen, 2, NULL, 4, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_labels_mask(map, 18, 9, NULL, 2, bits, 4, NULL));
    EXPECT(HRVIT_ERROR_OVERLAP, hrvit_labels_mask(map, 18, 9, chosen, 2, (uint8_t *)(uintptr_t)map, 4, NULL));

    EXPECT(HRVIT_OK, hrvit_labels_runs(map, 18, chosen, 2, runs, 4, &found, NULL));
    HOLDS(found == 4 && runs[2].start == 7 && runs[2].length == 2 && runs[3].start == 17);
    EXPECT(HRVIT_OK, hrvit_labels_runs(map, 18, chosen, 2, NULL, 0, &found, NULL));
    HOLDS(found == 4);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_labels_runs(map, 18, chosen, 2, runs, 1, &found, NULL));
    HOLDS(found == 4 && runs[0].start == 0 && runs[0].length == 1);
    EXPECT(HRVIT_ERROR_NULL, hrvit_labels_runs(map, 18, chosen, 2, runs, 4, NULL, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_labels_runs(map, 18, chosen, 2, NULL, 4, &found, NULL));

    EXPECT(HRVIT_OK, hrvit_labels_extents(map, 18, 9, extents, 300, NULL));
    HOLDS(extents[3].pixels == 3 && extents[3].x == 0 && extents[3].width == 9 && extents[3].height == 1);
    HOLDS(extents[7].pixels == 2 && extents[7].y == 0 && extents[7].height == 2 && extents[7].x == 2 && extents[7].width == 7);
    HOLDS(extents[5].pixels == 0 && extents[299].pixels == 0 && extents[299].width == 0);
    EXPECT(HRVIT_ERROR_SIZE, hrvit_labels_extents(map, 18, 5, extents, 300, NULL));
    EXPECT(HRVIT_ERROR_NULL, hrvit_labels_extents(map, 18, 9, NULL, 3, NULL));
}

int main(int count, char **arguments)
{
    hrvit_model *model = NULL;
    hrvit_segmentation begun = HRVIT_INIT(hrvit_segmentation);
    hrvit_engine_info info = HRVIT_INIT(hrvit_engine_info);

    if (count != 2 || hrvit_model_open_file(arguments[1], NULL, &model, NULL) != HRVIT_OK) {
        fprintf(stderr, "usage: camera IMAGE\n");
        return 2;
    }
    EXPECT(HRVIT_OK, hrvit_engine_open(model, NULL, &engine, NULL));
    EXPECT(HRVIT_OK, hrvit_engine_describe(engine, &info, NULL));
    plan = info;
    labels = malloc(plan.label_bytes);
    begun.labels = labels;
    begun.labels_bytes = plan.label_bytes;
    results = begun;
    plain();
    refused();
    back();
    masks();
    free(labels);
    EXPECT(HRVIT_OK, hrvit_engine_close(engine, NULL));
    EXPECT(HRVIT_OK, hrvit_model_close(model, NULL));
    printf("complaints=%d\n", complaints);
    return complaints != 0;
}
