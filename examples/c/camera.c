/*
 * camera MODEL FRAME.nv12 WIDTH HEIGHT [OUT.nv12]: segments a frame as a camera left it, prints the
 * CRC-32 of the label map and where each class lies, and writes the frame with its labels over it.
 *
 * C99, libhrvit and the C library:
 *   cc -std=c99 camera.c $(pkg-config --cflags --libs hrvit) -o camera
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "hrvit.h"

enum { MOST_CLASSES = 256 };

/* Prints what went wrong; 0 if nothing did. */
static int failed(hrvit_status status, const char *what, const hrvit_error *error)
{
    if (status == HRVIT_OK)
        return 0;
    fprintf(stderr, "%s: %s (code %d)\n", what, error->text, (int)status);
    return 1;
}

/* Reads exactly `bytes` bytes; 0 if there are as many. */
static int read_file(const char *path, uint8_t *to, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    const size_t found = file ? fread(to, 1, bytes, file) : 0;
    if (file)
        fclose(file);
    if (found != bytes)
        fprintf(stderr, "%s: %zu bytes, expected %zu\n", path, found, bytes);
    return found != bytes;
}

static int see(hrvit_model *model, hrvit_engine *engine, hrvit_camera_frame *frame, uint8_t *buffer, size_t bytes, const char *out)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_model_info about = HRVIT_INIT(hrvit_model_info);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    hrvit_ink palette[MOST_CLASSES] = {{0, 0, 0, 0}};
    hrvit_extent extents[MOST_CLASSES];
    uint32_t *scratch = NULL;
    size_t words = 0;
    int code = 1;

    if (failed(hrvit_model_describe(model, &about, &error), "describing the model", &error) ||
        failed(hrvit_engine_describe(engine, &plan, &error), "describing the engine", &error) ||
        failed(hrvit_camera_scratch(engine, frame, &words, &error), "planning the rows", &error))
        return 1;
    results.labels = malloc(plan.label_bytes);
    results.labels_bytes = plan.label_bytes;
    scratch = malloc(words * sizeof *scratch);
    /* The first class may be a road, the second the sky: the image knows their colours. */
    for (uint32_t class = 0; class < about.classes && class < MOST_CLASSES; class++) {
        uint8_t rgb[3] = {255, 0, 255};
        hrvit_model_class_colour(model, class, rgb, NULL);
        palette[class].red = rgb[0];
        palette[class].green = rgb[1];
        palette[class].blue = rgb[2];
        palette[class].alpha = 128;
    }
    if (results.labels && scratch &&
        !failed(hrvit_engine_segment_camera(engine, frame, scratch, words, &results, NULL, &error), "segmenting", &error) &&
        !failed(hrvit_labels_extents(results.labels, plan.label_bytes, plan.width, extents, about.classes, &error), "measuring", &error) &&
        !failed(hrvit_camera_overlay(frame, results.labels, plan.label_bytes, plan.height, plan.width, palette, about.classes, &error),
                "drawing", &error)) {
        for (uint32_t class = 0; class < about.classes; class++)
            if (extents[class].pixels != 0)
                printf("  class %2u: %zu labels in columns %u to %u, rows %u to %u\n", (unsigned)class, extents[class].pixels,
                       (unsigned)extents[class].x, (unsigned)(extents[class].x + extents[class].width - 1), (unsigned)extents[class].y,
                       (unsigned)(extents[class].y + extents[class].height - 1));
        printf("%zu bytes of scratch\nlabels_crc=%08x\n", words * sizeof *scratch, (unsigned)crc32(results.labels, plan.label_bytes));
        code = 0;
    }
    if (code == 0 && out) {
        FILE *file = fopen(out, "wb");
        code = !file || fwrite(buffer, 1, bytes, file) != bytes;
        if (file && fclose(file) != 0)
            code = 1;
    }
    free(scratch);
    free(results.labels);
    return code;
}

int main(int count, char **arguments)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame);
    hrvit_model *model = NULL;
    hrvit_engine *engine = NULL;
    uint8_t *buffer;
    size_t luma, bytes;
    int code;

    if (count < 5) {
        fprintf(stderr, "usage: camera MODEL FRAME.nv12 WIDTH HEIGHT [OUT.nv12]\n");
        return 2;
    }
    frame.format = HRVIT_CAMERA_NV12;
    frame.width = (uint32_t)strtoul(arguments[3], NULL, 10);
    frame.height = (uint32_t)strtoul(arguments[4], NULL, 10);
    luma = (size_t)frame.width * frame.height;
    bytes = luma + 2 * ((size_t)(frame.width + 1) / 2 * ((frame.height + 1) / 2));
    buffer = malloc(bytes);
    if (!buffer || read_file(arguments[2], buffer, bytes) != 0)
        return 1;
    frame.planes[0] = buffer;
    frame.plane_bytes[0] = luma;
    frame.planes[1] = buffer + luma;
    frame.plane_bytes[1] = bytes - luma;
    code = failed(hrvit_model_open_file(arguments[1], NULL, &model, &error), "opening the model", &error) ||
           failed(hrvit_engine_open(model, NULL, &engine, &error), "opening the engine", &error) ||
           see(model, engine, &frame, buffer, bytes, count > 5 ? arguments[5] : NULL);
    hrvit_engine_close(engine, NULL);
    hrvit_model_close(model, NULL);
    free(buffer);
    return code;
}
