"""Writes `small.pth`, a checkpoint as training scripts leave them. usage: make_pth.py SMALL.safetensors OUT.pth

SMALL.safetensors: `Checkpoint::synthetic(small::network(Head::Segformer), 1)`, written by `write_safetensors`.
`small.pth` in this folder was written with PyTorch 2.15. On purpose: names under `state_dict` and `module.`, other objects beside them, counters of the
BatchNorms, one transposed view, two views of one storage, one parameter object, and f16 and bf16 tensors (`decode_head` in f16, the stem in bf16).
"""
import argparse
import collections
import sys

import torch
from safetensors.torch import load_file

tensors = load_file(sys.argv[1])
state = collections.OrderedDict()
for name, value in tensors.items():
    if name.startswith("decode_head."):
        value = value.half()
    elif name.startswith("backbone.stem."):
        value = value.bfloat16()
    state["module." + name] = value
    if name.endswith("running_var"):
        state["module." + name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
wide = "module.backbone.features.1.branches.0.0.ffn.fc1.weight"
state[wide] = state[wide].t().contiguous().t()
norm = "module.backbone.features.1.norm.0."
both = torch.cat([state[norm + "weight"], state[norm + "bias"]])
state[norm + "weight"], state[norm + "bias"] = both[:8], both[8:]
linear = "module.backbone.features.1.branches.0.0.ffn.fc2.weight"
state[linear] = torch.nn.Parameter(state[linear])
state._metadata = collections.OrderedDict({"": {"version": 1}})
optimizer = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0]}]}
torch.save({"epoch": 3, "arch": "small", "state_dict": state, "optimizer": optimizer, "args": argparse.Namespace(lr=0.1, name="x"), "best": 0.5}, sys.argv[2])
