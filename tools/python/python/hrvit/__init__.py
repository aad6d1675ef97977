"""Quantised HRViT: model images and the `hrvit` command.

>>> import hrvit
>>> model = hrvit.Model.open("nano.hrvit")
>>> labels = model.segment(frame)            # frame: (height, width, 3) uint8, RGB; labels: (height, width) uint8
"""

from .hrvit_native import Camera, Error, Model, __version__, command, quantize, report

__all__ = ["Camera", "Error", "Model", "__version__", "command", "quantize", "report"]
