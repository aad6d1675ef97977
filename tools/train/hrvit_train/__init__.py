"""Trains HRViT (arXiv 2111.01236) segmentation networks and writes checkpoints that `hrvit quantize` reads.

`spec` is the network as data, `model` the network in PyTorch, `data` and `augment` the pictures, `schedule` the learning rate, `loop` the training,
`checkpoint` what a run leaves behind to go on from, `evaluate` the metrics, `export` the files for others, `cli` the command.
"""

__version__ = "0.1.0"
