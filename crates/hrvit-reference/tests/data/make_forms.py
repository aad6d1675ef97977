"""Writes checkpoints in every form in which people have them. usage: make_forms.py SMALL.safetensors FOLDER

Prints a JSON list: `file`; `loads`, the largest difference of any value that its element type makes (null: it is refused); `says`, what the message must have.
"""
import collections
import copy
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

base = load_file(sys.argv[1])
folder = pathlib.Path(sys.argv[2])
forms = []


def state(rename=lambda name: name, change=lambda value: value):
    return collections.OrderedDict((rename(name), change(value.clone())) for name, value in base.items())


def form(file, obj, loads=0.0, says="", **options):
    torch.save(obj, folder / file, **options)
    forms.append({"file": file, "loads": loads, "says": says})


def raw(file, data, says):
    (folder / file).write_bytes(data)
    forms.append({"file": file, "loads": None, "says": says})


def safe(file, tensors, loads=0.0):
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / file)
    forms.append({"file": file, "loads": loads, "says": ""})


under = lambda prefix: lambda name: prefix + name
half, bf16 = 2e-3, 2e-2
other = state(change=lambda value: value + 1)

form("plain.pth", state())
form("plain.pt", state())
form("plain.bin", state())
form("checkpoint.pth.tar", {"state_dict": state(under("module.")), "epoch": 3, "arch": "hrvit", "best_acc1": torch.tensor(0.5)})
form("mmseg.pth", {"meta": {"CLASSES": ("a", "b", "c", "d", "e"), "PALETTE": [[1, 2, 3]] * 5, "epoch": 1}, "state_dict": state()})
parameter = torch.nn.Parameter(torch.zeros(3))
optimizer = torch.optim.AdamW([parameter])
parameter.sum().backward()
optimizer.step()
form("mmseg_optimizer.pth", {"meta": {}, "state_dict": state(), "optimizer": optimizer.state_dict()})
form("mmengine.pth", {"meta": {"dataset_meta": {"classes": list("abcde")}}, "state_dict": state(), "message_hub": {"x": [1.0]}, "param_schedulers": [{}]})
form("ddp.pth", state(under("module.")))
form("timm.pth.tar", {"epoch": 1, "arch": "x", "state_dict": other, "state_dict_ema": state(), "optimizer": optimizer.state_dict(), "version": 2})
form("lightning.ckpt", {"state_dict": state(under("model.")), "hyper_parameters": {"lr": 1e-3}, "callbacks": {"c": {"best": torch.tensor(1.0)}},
                        "loops": {}, "pytorch-lightning_version": "2.0"})
form("bf16.pth", state(change=lambda value: value.bfloat16()), bf16)
form("fp16.pth", state(change=lambda value: value.half()), half)
safe("plain.safetensors", state())
safe("bf16.safetensors", state(change=lambda value: value.bfloat16()), bf16)
safe("fp16.safetensors", state(change=lambda value: value.half()), half)
safe("f64.safetensors", state(change=lambda value: value.double()))
form("noncontiguous.pth", state(change=lambda value: value.t().contiguous().t() if value.dim() == 2 else value))
flat = torch.cat([value.flatten() for value in base.values()])
views, at = collections.OrderedDict(), 0
for name, value in base.items():
    views[name] = flat[at:at + value.numel()].view(value.shape)
    at += value.numel()
form("views.pth", views)
form("counted.pth", {**state(), **{name.replace("running_var", "num_batches_tracked"): torch.tensor(9) for name in base if name.endswith("running_var")}})
form("legacy.pth", state(), _use_new_zipfile_serialization=False)
form("protocol3.pth", state(), pickle_protocol=3)
form("protocol4.pth", state(), pickle_protocol=4)
form("protocol5.pth", state(), pickle_protocol=5)
form("legacy_protocol4.pth", state(), pickle_protocol=4, _use_new_zipfile_serialization=False)
form("f64.pth", state(change=lambda value: value.double()))
form("metric.pth", {"state_dict": state(), "best": torch.tensor(0.7, dtype=torch.float64)})
form("metric_beside.pth", {**state(), "best": torch.tensor(0.7, dtype=torch.float64)})
form("epoch.pth", {"model": state(), "epoch": torch.tensor(12)})
form("rng_state.pth", {"model": state(), "rng_state": torch.get_rng_state(), "numpy_rng": ("MT19937", [1, 2], 3)})
form("buffer.pth", {**state(), "step": torch.tensor(100)})
form("compiled.pth", state(under("_orig_mod.")))
form("ddp_compiled.pth", state(under("module._orig_mod.")))
form("compiled_backbone.pth", state(lambda name: name.replace("backbone.", "backbone._orig_mod.", 1)))
form("net.pth", state(under("net.")))
form("student.pth", state(under("student.")))
form("model_ema.pth", {"model": other, "model_ema": state(), "epoch": 5})
form("ema_module.pth", {"model": other, "ema": {"module": state(), "decay": 0.99, "updates": 9}})
form("mmengine_ema.pth", {"meta": {}, "state_dict": state(), "ema_state_dict": {**{"module." + name: value for name, value in other.items()}, "steps": torch.tensor(9)}})
form("auxiliary.pth", {"state_dict": {**state(), "auxiliary_head.conv_seg.weight": torch.zeros(5, 4, 1, 1), "auxiliary_head.conv_seg.bias": torch.zeros(5)}})
form("deepspeed.pt", {"module": state(), "ds_config": {"zero": 1}})
parameters = state()
for name in parameters:
    parameters[name] = torch.nn.Parameter(parameters[name])
form("parameters.pth", parameters)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(3, 4)

    def forward(self, x):
        return self.a(x)


form("module.pth", Net(), None, "model.state_dict()")
form("module_inside.pth", {"model": Net(), "epoch": 3}, None, "model.state_dict()")
torch.jit.script(Net()).save(str(folder / "scripted.pt"))
forms.append({"file": "scripted.pt", "loads": None, "says": "TorchScript"})
stock = state()
for branch in range(4):
    conv = f"decode_head.convs.{branch}"
    width = stock.pop(f"{conv}.conv.bias").shape[0]
    for part, value in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]:
        stock[f"{conv}.bn.{part}"] = torch.full((width,), value)
form("stock_head.pth", {"state_dict": stock}, None, "ReLU")
original = state(lambda name: name)
for branch in range(4):
    for part in ["weight", "bias"]:
        value = original.pop(f"decode_head.convs.{branch}.conv.{part}")
        original[f"decode_head.linear_c{branch + 1}.proj.{part}"] = value.flatten(1) if part == "weight" else value
for name in [name for name in original if name.startswith("decode_head.fusion_conv.")]:
    value = original.pop(name)
    if name.endswith("conv.weight"):
        value = torch.cat(list(value.chunk(4, 1))[::-1], 1)
    original[name.replace("fusion_conv", "linear_fuse")] = value
for part in ["weight", "bias"]:
    value = original.pop(f"decode_head.conv_seg.{part}")
    original[f"decode_head.linear_pred.{part}"] = value
    original[f"decode_head.conv_seg.{part}"] = torch.zeros_like(value)
form("original_segformer.pth", {"state_dict": original})
raw("pointer.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n", "git lfs pull")
raw("page.pth", b"<!DOCTYPE html>\n<html><head></head></html>", "web page")
raw("truncated.pth", (folder / "plain.pth").read_bytes()[:100_000], "cut or damaged")
nan = state()
nan["decode_head.conv_seg.bias"][2] = float("nan")
form("nan.pth", nan, None, "decode_head.conv_seg.bias: element 2 is NaN")
missing = state()
del missing["backbone.stem.bn1.weight"]
form("missing.pth", missing, None, "backbone.stem.bn1.weight: missing")
classes = state()
for part in ["weight", "bias"]:
    classes[f"decode_head.conv_seg.{part}"] = torch.cat([classes[f"decode_head.conv_seg.{part}"]] * 2)
form("classes.pth", classes, None, "--classes 10")
headless = collections.OrderedDict((name, value) for name, value in state().items() if name.startswith("backbone."))
form("backbone.pth", headless, None, "backbone alone")
form("two.pth", {"a": state(), "b": state()}, None, "--prefix")
form("renamed.pth", state(lambda name: name.replace(".", "_")), None, "no name of the file")
print(json.dumps(forms))
