"""segment.py MODEL [THREADS]: segments the golden frame of a model image, prints what it sees and the CRC-32 of the label map."""

import sys
import zlib

import numpy as np

import hrvit


def main() -> None:
    model = hrvit.Model.open(sys.argv[1], threads=int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    frame = model.golden_frame()
    if frame is None:
        sys.exit(f"{sys.argv[1]} has no golden frame")
    labels, margins = model.segment_with_margins(frame)
    print(f"{model.kernels} kernels, mean margin {margins.mean():.2f} logits")
    for label, pixels in enumerate(np.bincount(labels.ravel(), minlength=model.classes)):
        name = model.class_names[label] if model.class_names else ""
        if pixels:
            print(f"  class {label:2} {name:12} {100 * pixels / labels.size:5.1f} %")
    print(f"labels_crc={zlib.crc32(labels.tobytes()):08x}")


if __name__ == "__main__":
    main()
