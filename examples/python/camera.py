"""camera.py MODEL FRAME.nv12 WIDTH HEIGHT: segments a frame as a camera left it, prints the shares of classes at the frame's pixels and the CRC-32 of the label map."""

import sys
import zlib

import numpy as np

import hrvit


def main() -> None:
    model = hrvit.Model.open(sys.argv[1])
    camera = hrvit.Camera("nv12", int(sys.argv[3]), int(sys.argv[4]))
    buffer = np.fromfile(sys.argv[2], np.uint8)
    labels = model.segment_camera(camera, buffer)
    if not np.array_equal(labels, model.segment(camera.input(buffer, model.size))):
        sys.exit("labels of the frame are not those of the picture that its rows make")
    at_pixels = camera.labels(labels)
    for label, pixels in enumerate(np.bincount(at_pixels.ravel(), minlength=model.classes)):
        name = model.class_names[label] if model.class_names and label < model.classes else ""
        if pixels:
            print(f"  class {label:2} {name:12} {100 * pixels / at_pixels.size:5.1f} %")
    print(f"labels_crc={zlib.crc32(labels.tobytes()):08x}")


if __name__ == "__main__":
    main()
