"""A run on the eight bundled frames: it learns, and stopping it changes nothing."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from tests.support import ROOT, eight_frames, needs_torch

CLASSES = 11
TINY = {"size": (64, 96), "batch": 4, "warm_up": 0, "scale": (0.25, 0.3), "drop_path": 0.2, "evaluate_every": 0}
"""A recipe whose iterations take a fraction of a second."""


BUNDLED = ROOT / "models" / "nano_camvid11.safetensors"


def run_of(folder: Path, origin=None, classes=CLASSES, group=None, **changes):
    """A fresh run of nano on the bundled frames."""
    import torch

    from hrvit_train.data import Frames
    from hrvit_train.group import ALONE
    from hrvit_train.loop import Run, Task
    from hrvit_train.recipe import Recipe
    from hrvit_train.spec import VARIANTS

    frames = Frames(folder / "train", classes, torch.device("cpu"))
    return Run(Task(VARIANTS["nano"], classes), Recipe(**{**TINY, **changes}), frames, origin, group or ALONE)


def command(*words) -> tuple[int, str]:
    """Status and output of the command with these arguments."""
    from hrvit_train.cli import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = main([str(word) for word in words])
    return status, output.getvalue()


@needs_torch
class Training(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = eight_frames(Path(folder.name))

    def test_loss_falls_on_eight_frames(self):
        run = run_of(self.folder, iterations=24, lr=2e-3, drop_path=0.0, colour=0.1, batch=8)
        losses = [run.step()[0].item() for _ in range(24)]
        self.assertTrue(run.finished())
        self.assertLess(sum(losses[-4:]), 0.8 * sum(losses[:4]), losses)

    def test_resumed_run_has_the_weights_of_an_uninterrupted_one(self):
        import torch

        from hrvit_train.checkpoint import load_run, save_run
        from hrvit_train.loop import Run

        whole = run_of(self.folder, iterations=4)
        losses = [whole.step()[0].item() for _ in range(4)]
        first = run_of(self.folder, iterations=4)
        for _ in range(2):
            first.step()
        save_run(self.folder / "run.ckpt", first.state())
        torch.rand(7)  # Whoever draws in between changes nothing.
        second = Run.restore(load_run(self.folder / "run.ckpt"), first.recipe, first.train)
        self.assertEqual([second.step()[0].item() for _ in range(2)], losses[2:])
        for part in ("model", "average"):
            ours, theirs = second.state()[part], whole.state()[part]
            self.assertEqual([name for name in theirs if not torch.equal(ours[name], theirs[name])], [], part)

    def test_average_follows_batchnorm_statistics(self):
        run = run_of(self.folder, iterations=2)
        name = "backbone.stem.bn1.running_mean"
        before = run.average.model.state_dict()[name].clone()
        run.step()
        after, live = run.average.model.state_dict()[name], run.model.state_dict()[name]
        self.assertLess((after - live).abs().max(), (before - live).abs().max())

    def differing(self, model, weights, prefix=""):
        """Names, under `prefix`, whose tensors in `model` are not those of `weights`."""
        import torch

        state = model.state_dict()
        return [name for name in weights if name.startswith(prefix) and not torch.equal(state[name], weights[name])]

    def test_init_starts_weights_and_average_from_the_file(self):
        from hrvit_train.checkpoint import Origin

        origin = Origin.read(BUNDLED, backbone_only=False)
        run = run_of(self.folder, origin, iterations=1)
        for model in (run.model, run.average.model):
            self.assertEqual(self.differing(model, origin.weights), [])
        fresh = run_of(self.folder, iterations=1)
        self.assertLess(run.step()[0].item(), 0.7 * fresh.step()[0].item())

    def test_init_backbone_of_a_segmentor_with_other_classes(self):
        from hrvit_train.checkpoint import Origin

        origin = Origin.read(BUNDLED, backbone_only=True)
        run, fresh = run_of(self.folder, origin, classes=5, iterations=1), run_of(self.folder, classes=5, iterations=1)
        self.assertEqual(self.differing(run.model, origin.weights, "backbone."), [])
        self.assertEqual(self.differing(run.model, fresh.model.state_dict(), "decode_head."), [])

    def test_init_backbone_of_a_classifier(self):
        import torch

        from hrvit_train.checkpoint import Origin
        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS

        classifier = build(VARIANTS["nano"], "classifier", 3)
        torch.save(classifier.state_dict(), self.folder / "classifier.pth")
        run = run_of(self.folder, Origin.read(self.folder / "classifier.pth", backbone_only=True), iterations=1)
        expected = {name: tensor for name, tensor in classifier.state_dict().items() if not name.startswith("head.")}
        self.assertGreater(len(expected), 100)
        self.assertEqual(self.differing(run.model.backbone, expected), [])

    def test_norms_and_biases_do_not_decay(self):
        run = run_of(self.folder, iterations=1)
        decaying, free = run.optimiser.param_groups
        self.assertEqual((decaying["weight_decay"], free["weight_decay"]), (run.recipe.weight_decay, 0.0))
        of = {id(p): group for group in (decaying, free) for p in group["params"]}
        for name, parameter in run.model.named_parameters():
            wants_none = name.endswith("bias") or "norm" in name or ".bn" in name
            self.assertEqual(of[id(parameter)] is free, wants_none or parameter.ndim == 1, name)

    def test_head_has_a_rate_of_its_own(self):
        run = run_of(self.folder, iterations=4, head_lr=10.0)
        of = {id(p): group for group in run.optimiser.param_groups for p in group["params"]}
        _, lr = run.step()
        for name, parameter in run.model.named_parameters():
            group = of.pop(id(parameter))
            self.assertAlmostEqual(group["lr"], lr * (10 if name.startswith("decode_head.") else 1), places=12, msg=name)
            self.assertEqual(group["weight_decay"], run.recipe.weight_decay if parameter.ndim > 1 else 0.0, name)
        self.assertEqual(of, {}, "every weight is in one group")
        from hrvit_train.loop import Run

        again = Run.restore(run.state(), run.recipe, run.train)
        self.assertEqual([group["times"] for group in again.optimiser.param_groups], [1, 1, 10, 10])

    def test_command_trains_stops_resumes_and_scores(self):
        out = self.folder / "out" / "nano.safetensors"
        recipe = ["--init", BUNDLED, "--iterations", 2, "--size", "64x96", "--batch", 2, "--scale", "0.25,0.3", "--evaluate-every", 0]
        network = ["--variant", "nano", "--classes", CLASSES]
        status, text = command("train", *network, "--data", self.folder, "--out", out, *recipe, "--stop-after", 0, "--device", "cpu")
        self.assertEqual(status, 0, text)
        self.assertIn("--resume goes on", text)
        status, text = command("train", "--data", self.folder, "--out", out, "--resume", "--lr", 0.5, "--device", "cpu")
        self.assertEqual(status, 1)
        self.assertIn("--lr is 0.5, but the checkpoint was trained with 0.001", text)
        status, text = command("train", "--data", self.folder, "--out", out, "--resume", "--device", "cpu")
        self.assertEqual(status, 0, text)

        import hashlib

        certificate = json.loads(out.with_suffix(".json").read_text())
        self.assertEqual(certificate["sha256"], hashlib.sha256(out.read_bytes()).hexdigest())
        self.assertEqual((certificate["iterations"], certificate["finished"]), (2, True))
        self.assertEqual(certificate["origin"], {"weights": BUNDLED.name, "sha256": hashlib.sha256(BUNDLED.read_bytes()).hexdigest(), "part": "all"})
        self.assertEqual((certificate["data"]["train_frames"], len(certificate["val"]["iou"])), (8, CLASSES))
        self.assertEqual(sorted(path.name for path in out.parent.iterdir()), ["nano.ckpt", "nano.json", "nano.safetensors"])

        scores = []
        for weights in (out, out.with_suffix(".ckpt")):
            words = ["--weights", weights, "--data", self.folder / "val", "--size", "64x96", "--json", "--device", "cpu"]
            status, text = command("eval", *network, *words)
            self.assertEqual(status, 0, text)
            scores.append(json.loads(text)["pixel_accuracy"])
        # float16 against float32 weights of the same average.
        self.assertAlmostEqual(scores[0], scores[1], places=2)
        self.assertAlmostEqual(scores[1], certificate["val"]["pixel_accuracy"], places=5)


if __name__ == "__main__":
    unittest.main()
