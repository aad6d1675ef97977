// stack MODEL [KERNELS]: how much stack a thread needs that opens a model, opens an engine on these
// kernels and segments the golden frame. The stack is painted before, and looked at afterwards.
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hrvit.h"

#define STACK_BYTES ((size_t)4 << 20)
#define PAINT 0xa5

struct task
{
    const char *path, *kernels;
    hrvit_engine_info info;
    hrvit_error error;
};

static void *segment(void *context)
{
    struct task *task = context;
    hrvit_model *model = NULL;
    hrvit_engine *engine = NULL;
    hrvit_frame frame = HRVIT_INIT(hrvit_frame);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
    options.kernels = task->kernels;
    if (hrvit_model_open_file(task->path, NULL, &model, &task->error) != HRVIT_OK ||
        hrvit_model_golden_frame(model, &frame.pixels, &frame.bytes, &task->error) != HRVIT_OK ||
        hrvit_engine_open(model, &options, &engine, &task->error) != HRVIT_OK ||
        hrvit_engine_describe(engine, &task->info, &task->error) != HRVIT_OK)
        goto close;
    results.labels_bytes = task->info.label_bytes;
    results.labels = malloc(results.labels_bytes);
    if (results.labels)
        hrvit_engine_segment(engine, &frame, &results, NULL, &task->error);
    else
        task->error.status = HRVIT_ERROR_MEMORY;
    free(results.labels);
close:
    hrvit_engine_close(engine, NULL);
    hrvit_model_close(model, NULL);
    return NULL;
}

int main(int count, char **arguments)
{
    struct task task = {0};
    pthread_attr_t attributes;
    pthread_t thread;
    void *memory = NULL;
    const unsigned char *stack;
    size_t free_bytes = 0;
    if (count < 2) {
        fprintf(stderr, "usage: stack MODEL [KERNELS]\n");
        return 2;
    }
    task.path = arguments[1];
    task.kernels = count > 2 ? arguments[2] : NULL;
    task.info.struct_size = sizeof task.info;
    task.error.struct_size = sizeof task.error;
    if (posix_memalign(&memory, 64 << 10, STACK_BYTES) != 0)
        return 1;
    memset(memory, PAINT, STACK_BYTES);
    if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, memory, STACK_BYTES) != 0 ||
        pthread_create(&thread, &attributes, segment, &task) != 0 || pthread_join(thread, NULL) != 0) {
        fprintf(stderr, "no thread\n");
        return 1;
    }
    if (task.error.status != HRVIT_OK) {
        fprintf(stderr, "%s (code %d)\n", task.error.text, (int)task.error.status);
        return task.error.status == HRVIT_ERROR_UNSUPPORTED || task.error.status == HRVIT_ERROR_PACKING ? 3 : 1;
    }
    stack = memory;
    while (free_bytes < STACK_BYTES && stack[free_bytes] == PAINT)
        free_bytes++;
    printf("kernels=%s\nstack=%lu\n", task.info.kernels, (unsigned long)(STACK_BYTES - free_bytes));
    free(memory);
    return 0;
}
