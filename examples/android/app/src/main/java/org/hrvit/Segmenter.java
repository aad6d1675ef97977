package org.hrvit;

import java.nio.ByteBuffer;

/**
 * A segmentor with its engine. Frames run one after another, on any thread; close it when no frame runs any more.
 *
 * <p>The same class runs on Android and on a desk: it needs java.nio and libhrvit_jni.so, nothing of Android.
 */
public final class Segmenter implements AutoCloseable {
    static {
        System.loadLibrary("hrvit_jni");
    }

    private long handle;

    /** Opens the image at {@code path}; {@code workers} threads (1 to 8) share the work of a frame. */
    public Segmenter(String path, int workers) throws HrvitException {
        handle = open(path, workers);
    }

    /** Rows of a frame. */
    public synchronized int height() {
        return (int) (sizes(opened()) >> 32);
    }

    /** Columns of a frame. */
    public synchronized int width() {
        return (int) sizes(opened());
    }

    /** The instruction set that frames run on. */
    public synchronized String kernels() {
        return kernels(opened());
    }

    /** The frame that was run when the image was made, RGB; an error if the image has none. */
    public synchronized byte[] goldenFrame() throws HrvitException {
        return goldenFrame(opened());
    }

    /**
     * Segments a frame that is as large as the model's input.
     *
     * @param rgb a direct buffer with height x width x 3 bytes
     * @param labels a direct buffer with height x width bytes: the class of every pixel
     */
    public synchronized void segment(ByteBuffer rgb, ByteBuffer labels) throws HrvitException {
        segment(opened(), rgb, labels);
    }

    /**
     * Segments a camera's frame of any size: every pixel of the model's input is the one of the frame that lies nearest.
     *
     * @param rgba a direct buffer, 4 bytes a pixel, as CameraX gives with OUTPUT_IMAGE_FORMAT_RGBA_8888
     * @param width columns of the frame
     * @param height rows of the frame
     * @param rowBytes bytes from one row of the frame to the next
     * @param labels a direct buffer with one byte for every pixel of the model's input
     */
    public synchronized void segmentRgba(ByteBuffer rgba, int width, int height, int rowBytes, ByteBuffer labels) throws HrvitException {
        segmentRgba(opened(), rgba, width, height, rowBytes, labels);
    }

    /** Gives everything back. Closing twice is nothing. */
    @Override
    public synchronized void close() {
        if (handle != 0) {
            close(handle);
            handle = 0;
        }
    }

    private long opened() {
        if (handle == 0) {
            throw new IllegalStateException("the segmenter is closed");
        }
        return handle;
    }

    private static native long open(String path, int workers) throws HrvitException;

    private static native long sizes(long handle);

    private static native String kernels(long handle);

    private static native byte[] goldenFrame(long handle) throws HrvitException;

    private static native void segment(long handle, ByteBuffer rgb, ByteBuffer labels) throws HrvitException;

    private static native void segmentRgba(long handle, ByteBuffer rgba, int width, int height, int rowBytes, ByteBuffer labels)
            throws HrvitException;

    private static native void close(long handle);
}
