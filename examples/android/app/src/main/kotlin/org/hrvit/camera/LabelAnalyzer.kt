package org.hrvit.camera

import android.graphics.Bitmap
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import java.nio.ByteBuffer
import java.util.concurrent.Executors
import org.hrvit.Segmenter

/**
 * Label maps of a camera's frames: for ImageAnalysis.setAnalyzer of CameraX.
 *
 * Frames that come while one runs are left out (STRATEGY_KEEP_ONLY_LATEST). [show] gets a map as large as the model's
 * input, a class index per pixel, not rotated: turn it by [ImageProxy.getImageInfo] rotationDegrees as you show it.
 */
class LabelAnalyzer(private val segmenter: Segmenter, private val show: (Bitmap, Int) -> Unit) : ImageAnalysis.Analyzer {
    private val labels: ByteBuffer = ByteBuffer.allocateDirect(segmenter.height() * segmenter.width())

    override fun analyze(frame: ImageProxy) = frame.use {
        val plane = it.planes[0]
        segmenter.segmentRgba(plane.buffer, it.width, it.height, plane.rowStride, labels)
        val map = Bitmap.createBitmap(segmenter.width(), segmenter.height(), Bitmap.Config.ALPHA_8)
        map.copyPixelsFromBuffer(labels.duplicate())
        show(map, it.imageInfo.rotationDegrees)
    }

    companion object {
        /** Hand it to ProcessCameraProvider.bindToLifecycle, beside a Preview. */
        fun useCase(segmenter: Segmenter, show: (Bitmap, Int) -> Unit): ImageAnalysis =
            ImageAnalysis.Builder()
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .build()
                .apply { setAnalyzer(Executors.newSingleThreadExecutor(), LabelAnalyzer(segmenter, show)) }
    }
}
