"""Runs one ONNX file on one runtime and prints `{"version", "median_ms", "min_ms"}`: the child process of `compare.py`."""

import argparse
import importlib.metadata
import json
import statistics
import sys
import time

import numpy as np


def onnxruntime(path: str, threads: int):
    """`(input shape, function of an input)`: ONNX Runtime's CPU provider, all graph optimisations (its default)."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    return tensor.shape, lambda x: session.run(None, {tensor.name: x})


def openvino(path: str, threads: int):
    """`(input shape, function of an input)`: OpenVINO's CPU plugin for one frame at a time, float32 where the file says so."""
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(path, "CPU", settings)
    request = compiled.create_infer_request()
    return list(compiled.input(0).shape), lambda x: request.infer({0: x})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=("onnxruntime", "openvino"))
    parser.add_argument("onnx")
    parser.add_argument("--size", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--warm-up", type=int, required=True)
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    shape, run = {"onnxruntime": onnxruntime, "openvino": openvino}[args.runtime](args.onnx, args.threads)
    if list(shape) != [1, 3, height, width]:
        print(f"{args.onnx}: input {shape}, expected [1, 3, {height}, {width}]; export it for --size {args.size}", file=sys.stderr)
        return 1
    frame = np.random.default_rng(0).standard_normal((1, 3, height, width), dtype=np.float32)
    times = []
    for _ in range(args.warm_up + args.frames):
        begin = time.perf_counter()
        run(frame)
        times.append(1e3 * (time.perf_counter() - begin))
    counted = times[args.warm_up :]
    version = importlib.metadata.version(args.runtime)
    json.dump({"version": version, "median_ms": statistics.median(counted), "min_ms": min(counted)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
