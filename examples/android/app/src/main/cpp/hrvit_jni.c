/*
 * hrvit_jni.c: org.hrvit.Segmenter on top of hrvit.h, the same on Android and on a desk.
 *
 * A handle of Java is the address of a `segmenter`, which Java gives back once, to close().
 */
#include <jni.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hrvit.h"

typedef struct segmenter {
    hrvit_model *model;
    hrvit_engine *engine;
    hrvit_engine_info plan;
} segmenter;

/* A frame of a camera, for the row callback. */
typedef struct camera_frame {
    const uint8_t *rgba;
    size_t row_bytes;
    uint32_t width, height;
    uint32_t to_width, to_height;
} camera_frame;

/* Throws org.hrvit.HrvitException; 1 if there was something to throw. */
static int thrown(JNIEnv *env, hrvit_status status, const hrvit_error *error)
{
    jclass class;
    jmethodID make;
    jstring text;
    jobject exception;

    if (status == HRVIT_OK)
        return 0;
    class = (*env)->FindClass(env, "org/hrvit/HrvitException");
    make = class ? (*env)->GetMethodID(env, class, "<init>", "(ILjava/lang/String;)V") : NULL;
    /* Texts of the library are ASCII but for names of files, which Java gave in its own UTF-8. */
    text = make ? (*env)->NewStringUTF(env, error->text) : NULL;
    exception = text ? (*env)->NewObject(env, class, make, (jint)status, text) : NULL;
    if (exception)
        (*env)->Throw(env, (jthrowable)exception);
    return 1;
}

static void refuse(JNIEnv *env, const char *text)
{
    jclass class = (*env)->FindClass(env, "java/lang/IllegalArgumentException");
    if (class)
        (*env)->ThrowNew(env, class, text);
}

/* The memory of a direct buffer that holds `bytes` bytes or more; NULL after an exception. */
static uint8_t *memory_of(JNIEnv *env, jobject buffer, size_t bytes)
{
    void *memory = buffer ? (*env)->GetDirectBufferAddress(env, buffer) : NULL;
    if (!memory || (uint64_t)(*env)->GetDirectBufferCapacity(env, buffer) < bytes) {
        refuse(env, memory ? "the buffer is too small" : "expected a direct buffer: ByteBuffer.allocateDirect");
        return NULL;
    }
    return memory;
}

static segmenter *of(jlong handle)
{
    return (segmenter *)(intptr_t)handle;
}

static void give_back(segmenter *segmenter)
{
    /* Closing NULL is an error code and nothing else. */
    hrvit_engine_close(segmenter->engine, NULL);
    hrvit_model_close(segmenter->model, NULL);
    free(segmenter);
}

JNIEXPORT jlong JNICALL Java_org_hrvit_Segmenter_open(JNIEnv *env, jclass class, jstring path, jint workers)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_engine_options options = HRVIT_INIT(hrvit_engine_options);
    hrvit_engine_info plan = HRVIT_INIT(hrvit_engine_info);
    hrvit_status status;
    segmenter *made;
    const char *text;

    (void)class;
    text = path ? (*env)->GetStringUTFChars(env, path, NULL) : NULL;
    made = calloc(1, sizeof *made);
    if (!text || !made) {
        if (text)
            (*env)->ReleaseStringUTFChars(env, path, text);
        free(made);
        if (!(*env)->ExceptionCheck(env))
            refuse(env, "no path, or no memory");
        return 0;
    }
    options.workers = workers < 0 ? UINT32_MAX : (uint32_t)workers;
    status = hrvit_model_open_file(text, NULL, &made->model, &error);
    (*env)->ReleaseStringUTFChars(env, path, text);
    if (status == HRVIT_OK)
        status = hrvit_engine_open(made->model, &options, &made->engine, &error);
    if (status == HRVIT_OK)
        status = hrvit_engine_describe(made->engine, &plan, &error);
    if (thrown(env, status, &error)) {
        give_back(made);
        return 0;
    }
    made->plan = plan;
    return (jlong)(intptr_t)made;
}

JNIEXPORT jlong JNICALL Java_org_hrvit_Segmenter_sizes(JNIEnv *env, jclass class, jlong handle)
{
    (void)env, (void)class;
    return (jlong)of(handle)->plan.height << 32 | (jlong)of(handle)->plan.width;
}

JNIEXPORT jstring JNICALL Java_org_hrvit_Segmenter_kernels(JNIEnv *env, jclass class, jlong handle)
{
    (void)class;
    return (*env)->NewStringUTF(env, of(handle)->plan.kernels);
}

JNIEXPORT jbyteArray JNICALL Java_org_hrvit_Segmenter_goldenFrame(JNIEnv *env, jclass class, jlong handle)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    const uint8_t *pixels = NULL;
    size_t bytes = 0;
    jbyteArray frame;

    (void)class;
    if (thrown(env, hrvit_model_golden_frame(of(handle)->model, &pixels, &bytes, &error), &error))
        return NULL;
    frame = (*env)->NewByteArray(env, (jsize)bytes);
    if (frame)
        (*env)->SetByteArrayRegion(env, frame, 0, (jsize)bytes, (const jbyte *)pixels);
    return frame;
}

JNIEXPORT void JNICALL Java_org_hrvit_Segmenter_segment(JNIEnv *env, jclass class, jlong handle, jobject rgb, jobject labels)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_frame frame = HRVIT_INIT(hrvit_frame);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);

    (void)class;
    frame.bytes = of(handle)->plan.frame_bytes;
    results.labels_bytes = of(handle)->plan.label_bytes;
    frame.pixels = memory_of(env, rgb, frame.bytes);
    results.labels = frame.pixels ? memory_of(env, labels, results.labels_bytes) : NULL;
    if (results.labels)
        thrown(env, hrvit_engine_segment(of(handle)->engine, &frame, &results, NULL, &error), &error);
}

/* Makes a row of the model's input from the pixels of the camera's frame that lie nearest. */
static int32_t nearest_row(void *context, uint32_t y, uint8_t *row, size_t row_bytes)
{
    const camera_frame *frame = context;
    const uint32_t from_y = (uint32_t)((2 * (uint64_t)y + 1) * frame->height / (2 * (uint64_t)frame->to_height));
    const uint8_t *line = frame->rgba + from_y * frame->row_bytes;

    for (uint32_t x = 0; x < row_bytes / 3; x++) {
        const uint32_t from_x = (uint32_t)((2 * (uint64_t)x + 1) * frame->width / (2 * (uint64_t)frame->to_width));
        memcpy(row + 3 * (size_t)x, line + 4 * (size_t)from_x, 3);
    }
    return 0;
}

JNIEXPORT void JNICALL Java_org_hrvit_Segmenter_segmentRgba(JNIEnv *env, jclass class, jlong handle, jobject rgba, jint width, jint height, jint row_bytes,
                                                            jobject labels)
{
    hrvit_error error = HRVIT_INIT(hrvit_error);
    hrvit_segmentation results = HRVIT_INIT(hrvit_segmentation);
    camera_frame frame;

    (void)class;
    if (width <= 0 || height <= 0 || row_bytes / 4 < width) {
        refuse(env, "the frame's sizes: expected rowBytes of width x 4 or more");
        return;
    }
    frame.row_bytes = (size_t)row_bytes;
    frame.width = (uint32_t)width;
    frame.height = (uint32_t)height;
    frame.to_width = of(handle)->plan.width;
    frame.to_height = of(handle)->plan.height;
    results.labels_bytes = of(handle)->plan.label_bytes;
    /* The last row of a camera's buffer may end with its last pixel. */
    frame.rgba = memory_of(env, rgba, frame.row_bytes * (frame.height - 1) + 4 * (size_t)frame.width);
    results.labels = frame.rgba ? memory_of(env, labels, results.labels_bytes) : NULL;
    if (results.labels)
        thrown(env, hrvit_engine_segment_rows(of(handle)->engine, nearest_row, &frame, &results, NULL, &error), &error);
}

JNIEXPORT void JNICALL Java_org_hrvit_Segmenter_close(JNIEnv *env, jclass class, jlong handle)
{
    (void)env, (void)class;
    give_back(of(handle));
}
