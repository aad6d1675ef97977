import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import org.hrvit.HrvitException;
import org.hrvit.Segmenter;

/** SegmentGolden MODEL: segments the golden frame of a model image, prints the CRC-32 of the label map, and does what must be refused. */
public final class SegmentGolden {
    public static void main(String[] arguments) throws Exception {
        Segmenter closed;
        try (Segmenter segmenter = new Segmenter(arguments[0], 2)) {
            closed = segmenter;
            int height = segmenter.height(), width = segmenter.width();
            ByteBuffer rgb = direct(segmenter.goldenFrame());
            ByteBuffer labels = ByteBuffer.allocateDirect(height * width);
            segmenter.segment(rgb, labels);
            long crc = crc(labels);
            System.out.printf("%s kernels, %d x %d%n", segmenter.kernels(), height, width);
            System.out.printf("labels_crc=%08x%n", crc);

            // The same frame as a camera gives it: four bytes a pixel, rows with padding, twice as large in both directions.
            ByteBuffer rgba = ByteBuffer.allocateDirect(2 * height * (8 * width + 64));
            for (int y = 0; y < 2 * height; y++) {
                for (int x = 0; x < 2 * width; x++) {
                    for (int channel = 0; channel < 3; channel++) {
                        rgba.put(y * (8 * width + 64) + 4 * x + channel, rgb.get(3 * (y / 2 * width + x / 2) + channel));
                    }
                }
            }
            ByteBuffer again = ByteBuffer.allocateDirect(height * width);
            segmenter.segmentRgba(rgba, 2 * width, 2 * height, 8 * width + 64, again);
            expect(crc(again) == crc, "a camera's frame has other labels");

            refused(IllegalArgumentException.class, () -> segmenter.segment(rgb, ByteBuffer.allocateDirect(7)));
            refused(IllegalArgumentException.class, () -> segmenter.segment(ByteBuffer.allocate(3 * height * width), again));
            refused(IllegalArgumentException.class, () -> segmenter.segment(null, again));
            refused(IllegalArgumentException.class, () -> segmenter.segmentRgba(rgba, 4 * width, height, 8 * width, again));
            // Frame and labels in the same memory.
            refused(HrvitException.class, () -> segmenter.segment(rgb, rgb));
        }
        refused(IllegalStateException.class, closed::height);
        refused(HrvitException.class, () -> new Segmenter("none.hrvit", 1));
        refused(HrvitException.class, () -> new Segmenter(arguments[0], 99));
        Path cut = Files.createTempFile("cut", ".hrvit");
        Files.write(cut, java.util.Arrays.copyOf(Files.readAllBytes(Path.of(arguments[0])), 1000));
        refused(HrvitException.class, () -> new Segmenter(cut.toString(), 1));
        Files.delete(cut);
    }

    private static ByteBuffer direct(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length);
        buffer.put(0, bytes);
        return buffer;
    }

    private static long crc(ByteBuffer labels) {
        CRC32 crc = new CRC32();
        crc.update(labels.duplicate().rewind());
        return crc.getValue();
    }

    private interface Call {
        void make() throws Exception;
    }

    private static void refused(Class<? extends Exception> expected, Call call) {
        try {
            call.make();
        } catch (Exception exception) {
            expect(expected.isInstance(exception) && exception.getMessage() != null, "expected " + expected + ", found " + exception);
            return;
        }
        expect(false, "nothing was thrown, expected " + expected);
    }

    private static void expect(boolean holds, String text) {
        if (!holds) {
            throw new AssertionError(text);
        }
    }
}
