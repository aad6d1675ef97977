"""Quantised HRViT: model images and the `hrvit` command."""

from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera", "Error", "Model", "__version__", "command", "quantize", "report"]

__version__: str

class Error(Exception):
    """Says which thing is wrong, what was expected and what to do."""

@final
class Camera:
    """A camera: how its buffers are to be read, and what a network sees of them (docs/camera.md)."""

    def __init__(
        self,
        format: str,
        width: int,
        height: int,
        *,
        strides: list[int] | None = None,
        matrix: str = "bt601",
        full_range: bool = False,
        region: tuple[int, int, int, int] | None = None,
        rotation: int = 0,
        mirror: bool = False,
        fit: str = "stretch",
        bars: tuple[int, int, int] = (124, 116, 104),
        filter: str = "area",
    ) -> None:
        """`format` is "nv12", "yuyv", "rgba" or another of docs/camera.md; `strides` has the bytes from row to row of each plane; `region` is
        (y, x, height, width); `rotation` 0, 90, 180 or 270 degrees clockwise; `fit` "stretch", "crop" or "letterbox"; `filter` "area" or "bilinear".
        """
    @property
    def frame_bytes(self) -> int:
        """Bytes of a buffer: the planes one after another."""
    def picture(self, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The whole frame in RGB, (height, width, 3)."""
    def input(self, buffer: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The input of a network of (height, width): (height, width, 3)."""
    def labels(self, labels: NDArray[np.uint8], outside: int = 255) -> NDArray[np.uint8]:
        """A map of labels or margins of a network, at the frame's pixels, (height, width); `outside` where the network did not see them."""
    def overlay(self, buffer: NDArray[np.uint8], labels: NDArray[np.uint8], palette: list[tuple[int, int, int, int]]) -> NDArray[np.uint8]:
        """A copy of the buffer with labels in the colours of `palette` (red, green, blue, alpha) over it. NV12, NV21, RGB, BGR, RGBA, BGRA."""

@final
class Model:
    """A model image with its plan and arena. Frames of one model run one after another; models of several threads run at once."""

    @staticmethod
    def open(path: str | PathLike[str], *, threads: int = 1, size: tuple[int, int] | None = None, isa: str | None = None) -> Model:
        """Opens an image and checks every byte of it.

        `threads` (1 to 8) share the work of a frame; `size` is (height, width) in multiples of 32, the image's own by default; `isa` names the kernels
        ("scalar", "avx2", ...), the fastest by default. None of them changes a byte of an integer image's results.
        """
    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
    @property
    def head(self) -> str:
        """"segformer" or "classifier"."""
    @property
    def classes(self) -> int:
        """How many classes there are."""
    @property
    def class_names(self) -> list[str]:
        """A name for every class; empty where the image has none."""
    @property
    def colours(self) -> list[tuple[int, int, int]]:
        """A colour for every class, red, green, blue; empty where the image has none."""
    @property
    def kernels(self) -> str:
        """The instruction set that frames run on."""
    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena of the plan."""
    @property
    def logit_scale(self) -> float:
        """Real value of one code of a logit; 1 in half precision."""
    def golden_frame(self) -> NDArray[np.uint8] | None:
        """The frame that was run when the image was made, (height, width, 3); None where the image has none."""
    def segment(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The class of every pixel, (height, width), of an RGB frame of (height, width, 3)."""
    def segment_camera(self, camera: Camera, buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The class of every pixel of the input, (height, width), of a camera's buffer, (camera.frame_bytes,); `camera.labels` brings it to the frame."""
    def segment_with_margins(self, frame: NDArray[np.uint8], most: float = 8.0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The class of every pixel, and by how many logits it is ahead of the second best, up to `most` or a little more."""
    def logits(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits: (height / 4, width / 4, classes) of a segmentor, (classes,) of a classifier."""
    def classify(self, frame: NDArray[np.uint8], top: int = 5) -> list[tuple[int, float]]:
        """The `top` best classes and their logits, the best first."""

def quantize(**options: Any) -> dict[str, Any]:
    """`hrvit quantize`: every option by its name, with _ for -; returns what --json prints.

    quantize(weights="b1.pth", variant="b1", head="segformer", classes=19, size="512x512", calib="frames/", out="b1.hrvit")
    """

def report(**options: Any) -> dict[str, Any]:
    """`hrvit report`: every option by its name, with _ for -; returns what --json prints.

    report(model="b1.hrvit", weights="b1.pth", data="val/", out="report.html")
    """

def command(*arguments: str) -> Any:
    """Any command of `hrvit` that prints JSON: command("inspect", "--variant", "b1", "--classes", "19") returns what it prints with --json."""
