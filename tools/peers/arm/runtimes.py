"""Runs frames on one runtime inside the emulated system, each between two marks: `runtimes.py RUNTIME MODEL FRAMES.npy LOGITS.npy` (`count.py` starts it).

FRAMES is float32 `[frames, 3, height, width]`, normalised; LOGITS becomes float32 `[frames, classes, height / 4, width / 4]`. A mark is the system call getppid, as
the plugin `count.c` says. The first frame runs once more at the beginning. One thread, whatever the runtime.
"""

import os
import sys

import numpy as np


def onnxruntime(path: str, shape: list[int]):
    """A function from a frame to logits: ONNX Runtime's CPU provider with all graph optimisations (its default)."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def mnn(path: str, shape: list[int], precision: str = "high"):
    """A function from a frame to logits: MNN's CPU backend; `high` is float32, `low` half precision where the processor has it."""
    import MNN

    net = MNN.Interpreter(path)
    session = net.createSession({"numThread": 1, "precision": precision, "backend": "CPU"})
    source, sink = net.getSessionInput(session), net.getSessionOutput(session)
    logits = np.zeros(sink.getShape(), np.float32)
    copy = MNN.Tensor(logits.shape, MNN.Halide_Type_Float, logits, MNN.Tensor_DimensionType_Caffe)

    def run(x: np.ndarray) -> np.ndarray:
        source.copyFrom(MNN.Tensor(tuple(shape), MNN.Halide_Type_Float, x, MNN.Tensor_DimensionType_Caffe))
        net.runSession(session)
        sink.copyToHostTensor(copy)
        return copy.getNumpyData()

    return run


def mnn_half(path: str, shape: list[int]):
    """As `mnn`, in half precision."""
    return mnn(path, shape, "low")


def litert(path: str, shape: list[int]):
    """A function from a frame to logits: LiteRT's interpreter with XNNPACK (its default)."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(x: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(sink["index"])

    return run


RUNTIMES = {"onnxruntime": onnxruntime, "mnn": mnn, "mnn_half": mnn_half, "litert": litert}


def main() -> int:
    runtime, model, frames, out = sys.argv[1:]
    frames = np.load(frames)[:, None]
    run = RUNTIMES[runtime](model, list(frames.shape[1:]))
    logits = []
    for frame in [frames[0], *frames]:
        os.getppid()
        logits.append(np.array(run(frame), np.float32))
    os.getppid()
    np.save(out, np.concatenate(logits[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
