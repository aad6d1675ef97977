"""Every contender's file of one network, made from one checkpoint; kept in a folder, and made anew when something that it is made from changes."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import outputs, pictures
from contenders import Failure
from quantise_onnx import normalised, pixels
from system import succeed

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent
ROOT = HERE.parents[2]
TRAINED = {"nano": (ROOT / "models/nano_camvid11.safetensors", 11)}
"""Bundled checkpoints and their classes; other variants get random weights."""
RANDOM_CLASSES = 19
CALIBRATION = ROOT / "data/calib"
FRAMES = ROOT / "data/val/images"
LINUX = "aarch64-unknown-linux-musl"
MNN_CONVERTER = "import sys, MNN, _tools; _tools.mnnconvert(['mnnconvert', '-f', 'ONNX', '--modelFile', sys.argv[1], '--MNNModel', sys.argv[2], '--bizCode', 'hrvit'])"
"""MNN's converter itself. The package's commands wrap it in code that installs packages and reports usage: they are never started, and `MNN.tools` is never imported."""


@dataclass(frozen=True)
class Network:
    """A network and the checkpoint that all files are made from; None is random weights."""

    variant: str
    classes: int
    height: int
    width: int
    weights: Path | None

    @property
    def size(self) -> str:
        return f"{self.height}x{self.width}"

    def words(self) -> list[str]:
        """Options that describe it to every command."""
        return ["--variant", self.variant, "--classes", str(self.classes), "--size", self.size]


def digest(paths: list[Path], *words: str) -> str:
    """A name for the content of files and some words."""
    whole = hashlib.sha256("\0".join(words).encode())
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:12]


def cargo(profile: str, *words: str) -> Path:
    """Builds with this profile; returns the target folder."""
    print(f"building {words[1]} ...", file=sys.stderr)
    succeed(["cargo", "build", "--profile", profile, "--locked", *words], cwd=ROOT)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build_command() -> Path:
    """`hrvit` for this machine, which quantises."""
    return cargo("release", "--bin", "hrvit") / "release/hrvit"


def build_engine() -> Path:
    """The engine for Linux on AArch64, optimised as the library that `cargo xtask dist` packs: static, and linked without a foreign C compiler."""
    succeed(["rustup", "target", "add", LINUX], cwd=ROOT)
    linker = f'target.{LINUX}.linker="rust-lld"'
    return cargo("library", "--package", "hrvit-peer", "--target", LINUX, "--config", linker) / LINUX / "library/hrvit-peer"


class Models:
    """Files of a network in `folder`."""

    def __init__(self, network: Network, folder: Path, hrvit: Path):
        self.network, self.folder, self.hrvit = network, folder.resolve(), hrvit
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sources = [path for path in sorted((ROOT / "tools/train/hrvit_train").rglob("*.py"))]
        self.sources += [PEERS / "quantise_onnx.py", HERE / "convert_litert.py", HERE / "requirements.txt", *pictures(CALIBRATION)]

    def _made(self, suffix: str, parts: list[Path], make) -> Path:
        """The file that `make` writes, unless it is there; `parts` are what it is made from beside the checkpoint."""
        network = self.network
        checkpoint = [] if network.weights is None else [network.weights]
        name = f"{network.variant}-{network.size}-{digest([*checkpoint, *parts], *network.words())}"
        path = self.folder / (name + suffix)
        if not path.is_file():
            fresh = path.with_name(f"fresh-{os.getpid()}-{path.name}")
            print(f"making {path.name} ...", file=sys.stderr)
            try:
                make(fresh)
                if not fresh.is_file():
                    raise Failure(f"{path.name}: its converter succeeded, and wrote nothing")
                fresh.rename(path)
            finally:
                fresh.unlink(missing_ok=True)
        return path

    def checkpoint(self) -> Path:
        """The checkpoint, given or with random weights."""
        if self.network.weights is not None:
            return self.network.weights
        words = ["--variant", self.network.variant, "--classes", self.network.classes, "--seed", 1]
        return self._made(".safetensors", [self.hrvit], lambda fresh: succeed([self.hrvit, "synth", *words, "--out", fresh]))

    def onnx(self) -> Path:
        """Float32 ONNX."""
        command = [sys.executable, "-m", "hrvit_train", "export-onnx", "--weights", self.checkpoint(), *self.network.words(), "--out"]
        return self._made(".onnx", self.sources, lambda fresh: succeed([*command, fresh], cwd=ROOT / "tools/train"))

    def onnx_int8(self) -> Path:
        """The same with ONNX Runtime's static int8."""
        words = ["--calib", CALIBRATION, "--count", len(pictures(CALIBRATION)), "--size", self.network.size, "--out"]
        command = [sys.executable, PEERS / "quantise_onnx.py", "--onnx", self.onnx(), *words]
        return self._made("-int8.onnx", self.sources, lambda fresh: succeed([*command, fresh]))

    def mnn(self) -> Path:
        """MNN's file, float32; half precision is chosen when it is loaded."""
        return self._made(".mnn", self.sources, lambda fresh: succeed([sys.executable, "-c", MNN_CONVERTER, self.onnx(), fresh]))

    def litert(self) -> Path:
        """LiteRT's file, float32."""
        command = [sys.executable, HERE / "convert_litert.py", "--weights", self.checkpoint(), *self.network.words(), "--out"]
        return self._made(".tflite", self.sources, lambda fresh: succeed([*command, fresh]))

    def hrvit_int8(self) -> Path:
        """Our image. Drift is allowed, since random weights have more of it; the table shows the agreement."""
        return self._image("int8", ["--calib", CALIBRATION])

    def hrvit_fp16(self) -> Path:
        """Our image in half precision."""
        return self._image("fp16", [])

    def _image(self, precision: str, more: list) -> Path:
        words = ["--precision", precision, *more, "--force", "--allow-drift", "--out"]
        command = [self.hrvit, "quantize", "--weights", self.checkpoint(), *self.network.words(), *words]
        return self._made(f"-{precision}.hrvit", [self.hrvit, *pictures(CALIBRATION)], lambda fresh: succeed([*command, fresh]))


@dataclass(frozen=True)
class Frames:
    """The same frames for everyone: bytes for us, normalised floats for rivals, and the float network's logits."""

    bytes: Path
    floats: Path
    reference: np.ndarray
    count: int


def frames(network: Network, count: int, onnx: Path, folder: Path) -> Frames:
    """The first `count` bundled validation frames, resized here once, so that nobody resizes."""
    paths = pictures(FRAMES)[:count]
    if len(paths) < count:
        raise Failure(f"--frames {count}: {FRAMES} has {len(paths)}")
    rgb = [pixels(path, network.height, network.width) for path in paths]
    floats = [np.ascontiguousarray(normalised(frame), np.float32) for frame in rgb]
    made = Frames(folder / "frames.rgb", folder / "frames.npy", np.stack(outputs(onnx, floats)), count)
    made.bytes.write_bytes(b"".join(frame.tobytes() for frame in rgb))
    np.save(made.floats, np.concatenate(floats))
    return made
