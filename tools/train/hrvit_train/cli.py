"""The command: `python -m hrvit_train train|eval|channels|export-onnx`."""

import argparse
import json
import math
import sys
from dataclasses import asdict, fields
from pathlib import Path

import torch

from hrvit_train import channels, group
from hrvit_train.checkpoint import Origin, load_run, load_weights, read_weights, save_run
from hrvit_train.classify import Pictures
from hrvit_train.data import Frames, class_names
from hrvit_train.errors import UserError
from hrvit_train.evaluate import evaluate
from hrvit_train.export import write_onnx, write_weights
from hrvit_train.loop import Run, Task
from hrvit_train.model import HEADS, build
from hrvit_train.presets import HEAD_OF, PRESETS
from hrvit_train.recipe import Recipe
from hrvit_train.spec import VARIANTS, Spec, check_size


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.split("x"))
        return check_size(height, width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected HEIGHTxWIDTH, for example 192x256") from None
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected LOW,HIGH, for example 0.6,2.0") from None
    return low, high


DISTRIBUTED = """several GPUs, or machines, train one network together under torchrun; --batch is that of all processes:
  torchrun --nproc-per-node 8 -m hrvit_train train --preset paper-cityscapes --variant b1 --classes 19 \\
      --init-backbone imagenet.pth --data cityscapes --out b1.safetensors
Only the first process writes. --resume takes any number of processes."""


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    root = argparse.ArgumentParser("hrvit_train", description="Train HRViT segmentors whose checkpoints `hrvit quantize` reads.")
    commands = root.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, more: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu; cuda where there is one")
        return sub

    def network(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--variant", choices=VARIANTS, help="built-in backbone")
        sub.add_argument("--spec", type=Path, metavar="TOML", help="backbone of your own, as `hrvit inspect --variant b1 --emit-spec` prints one")
        sub.add_argument("--classes", type=int, help="number of classes; label values at or above it are ignored")

    train = command("train", "Train a segmentor on a folder with {train,val}/{images,labels}, or a classifier on {train,val}/CLASS", DISTRIBUTED)
    network(train)
    train.add_argument("--head", choices=HEADS, help="what sits on top of the backbone; a classifier's splits have a folder of pictures per class (segformer)")
    train.add_argument("--data", type=Path, required=True, metavar="DIR", help="data set")
    train.add_argument("--out", type=Path, required=True, metavar="W.safetensors", help="float16 weights; certificate and checkpoint lie beside it")
    start = train.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the checkpoint beside --out, with its recipe")
    start.add_argument("--init", type=Path, metavar="FILE", help="start from these weights instead of random ones: the whole segmentor, as many classes")
    start.add_argument("--init-backbone", type=Path, metavar="FILE", help="start from the backbone of these weights, a segmentor's or a classifier's; the head is random")
    train.add_argument("--stop-after", type=float, default=math.inf, metavar="MINUTES", help="end this process early; --resume goes on")
    train.add_argument("--classes-file", type=Path, metavar="TOML", help="names of the classes, like data/camvid11.toml")
    recipe = train.add_argument_group("recipe")
    recipe.add_argument("--preset", choices=PRESETS, help="the paper's settings instead of the defaults below; other options win over them")
    kinds = {"size": _size, "scale": _range}
    for field in fields(Recipe):
        joint = {"size": "x", "scale": ","}.get(field.name)
        shown = joint.join(map(str, field.default)) if joint else field.default
        # Suppressed where not given, so that a resumed run can tell what was asked for.
        recipe.add_argument(
            "--" + field.name.replace("_", "-"),
            type=kinds.get(field.name, field.type),
            choices=field.metadata["choices"],
            default=argparse.SUPPRESS,
            metavar=field.name.upper(),
            help=f"{field.metadata['help']} ({shown})",
        )

    score = command("eval", "Intersection over union of weights on a folder with images/ and labels/")
    network(score)
    score.add_argument("--weights", type=Path, required=True, metavar="FILE", help=".safetensors, .pth or a run's checkpoint")
    score.add_argument("--data", type=Path, required=True, metavar="DIR", help="one split")
    score.add_argument("--size", type=_size, required=True, metavar="HxW", help="the network's input")
    score.add_argument("--classes-file", type=Path, metavar="TOML", help="names of the classes")
    score.add_argument("--json", action="store_true", help="one JSON document instead of a table")

    uneven = command("channels", "How uneven channels are: the largest over the median one, of weights and of outputs")
    network(uneven)
    uneven.add_argument("--weights", type=Path, required=True, metavar="FILE", help=".safetensors, .pth or a run's checkpoint")
    uneven.add_argument("--data", type=Path, required=True, metavar="DIR", help="one split")
    uneven.add_argument("--size", type=_size, required=True, metavar="HxW", help="the network's input")
    uneven.add_argument("--frames", type=int, default=8, metavar="N", help="first frames that are run (8)")
    uneven.add_argument("--worst", type=int, default=8, metavar="N", help="modules that the table names (8)")
    uneven.add_argument("--json", action="store_true", help="every module as one JSON document instead of a table")

    onnx = command("export-onnx", "Write the float network as ONNX")
    network(onnx)
    onnx.add_argument("--head", choices=HEADS, default="segformer", help="what sits on top of the backbone")
    onnx.add_argument("--weights", type=Path, required=True, metavar="FILE", help=".safetensors, .pth or a run's checkpoint")
    onnx.add_argument("--size", type=_size, required=True, metavar="HxW", help="the network's input")
    onnx.add_argument("--out", type=Path, required=True, metavar="M.onnx", help="file to write")
    return root


def _task(args: argparse.Namespace, head: str = "segformer") -> Task:
    if (args.variant is None) == (args.spec is None):
        raise UserError("give either --variant or --spec")
    if args.classes is None:
        raise UserError("--classes is needed: the number of classes")
    return Task(VARIANTS[args.variant] if args.variant else Spec.read(args.spec), args.classes, head)


def _loaded(args: argparse.Namespace, task: Task, head: str) -> torch.nn.Module:
    model = build(task.spec, head, task.classes)
    load_weights(model, read_weights(args.weights), str(args.weights))
    return model


def _train(args: argparse.Namespace) -> None:
    ours, device = group.join(args.device)
    try:
        _train_in(ours, device, args)
    finally:
        group.leave()


def _train_in(ours: group.Group, device: torch.device, args: argparse.Namespace) -> None:
    given = {field.name: getattr(args, field.name) for field in fields(Recipe) if hasattr(args, field.name)}
    if args.preset:
        given = {**PRESETS[args.preset], **given}
    run_file = args.out.with_suffix(".ckpt")
    state = None
    if args.resume:
        state = load_run(run_file)
        recipe = Recipe.from_dict(state["recipe"]).changed(given)
        task = Task(Spec.from_dict(state["spec"], str(run_file)), state["classes"], state.get("head", "segformer"))
        if (args.variant or args.spec or args.classes or args.head) and _task(args, args.head or task.head) != task:
            raise UserError(f"{run_file} is a run of another network; leave --variant, --spec, --classes and --head out")
    else:
        task, recipe = _task(args, args.head or HEAD_OF.get(args.preset, "segformer")), Recipe(**given).validate()
    names = class_names(args.classes_file, task.classes)
    train, val = ((Pictures if task.classifies else Frames)(args.data / split, task.classes, device) for split in ("train", "val"))
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    if task.classifies and (args.init or args.init_backbone):
        raise UserError("--init and --init-backbone start segmentors; a classifier starts from random weights")
    origin = Origin.read(args.init or args.init_backbone, args.init is None) if args.init or args.init_backbone else None
    run = Run(task, recipe, train, origin, ours) if state is None else Run.restore(state, recipe, train, ours)
    parameters = sum(p.numel() for p in run.model.parameters())
    length = f"{recipe.iterations} iterations" if recipe.iterations else f"{recipe.minutes} minutes"
    if ours.writes:
        where = str(device) if ours.size == 1 else f"{ours.size} processes ({device.type})"
        print(f"{parameters:,} parameters on {where}; {len(train)} training and {len(val)} validation frames; {length}, from iteration {run.iteration}")
    score = run.go(args.stop_after, val, lambda run: save_run(run_file, run.state()))
    if not ours.writes:
        return
    certificate = write_weights(run, args.out, score, names, len(val))
    print(score.table(names))
    print(f"{args.out}: SHA-256 {certificate['sha256']}; certificate {args.out.with_suffix('.json')}, checkpoint {run_file}")
    if not run.finished():
        print(f"stopped after {run.seconds / 60:.1f} minutes in all; the same command with --resume goes on")


def _eval(args: argparse.Namespace) -> None:
    task = _task(args)
    model = _loaded(args, task, "segformer")
    device = torch.device(args.device)
    names = class_names(args.classes_file, task.classes)
    score = evaluate(model.to(device), Frames(args.data, task.classes, device), args.size)
    print(json.dumps(score.to_dict(names), indent=2) if args.json else score.table(names))


def _channels(args: argparse.Namespace) -> None:
    task = _task(args)
    model = _loaded(args, task, "segformer")
    device = torch.device(args.device)
    ratios = channels.measure(model.to(device), Frames(args.data, task.classes, device), args.size, args.frames)
    print(json.dumps([asdict(ratio) for ratio in ratios], indent=2) if args.json else channels.table(ratios, args.worst))


def _export_onnx(args: argparse.Namespace) -> None:
    task = _task(args)
    model = _loaded(args, task, args.head)
    write_onnx(model, args.size, args.out)
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; errors of the user's making are one line on standard error and status 1."""
    args = parser().parse_args(arguments)
    try:
        {"train": _train, "eval": _eval, "channels": _channels, "export-onnx": _export_onnx}[args.command](args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
