"""A classifier on two classes of coloured noise: it learns, mixes pairs, stops and resumes."""

import json
import tempfile
import unittest
from pathlib import Path

from tests.support import needs_torch, two_classes

SMALL = {"size": (32, 64), "batch": 8, "warm_up": 0, "scale": (0.3, 1.0), "drop_path": 0.1, "evaluate_every": 0, "label_smoothing": 0.1, "lr": 1e-4}
"""A recipe whose iterations take a fraction of a second. At a higher rate, rounding grows tenfold with every iteration on maps this small."""


def classifier_of(folder: Path, group=None, **changes):
    """A fresh run of nano with a classification head on the pictures of `folder`, mixed unless `changes` say otherwise."""
    import torch

    from hrvit_train.classify import Pictures
    from hrvit_train.group import ALONE
    from hrvit_train.loop import Run, Task
    from hrvit_train.recipe import Recipe
    from hrvit_train.spec import VARIANTS

    pictures = Pictures(folder / "train", 2, torch.device("cpu"))
    recipe = Recipe(**{**SMALL, "mixup": 0.8, "cutmix": 1.0, **changes})
    return Run(Task(VARIANTS["nano"], 2, "classifier"), recipe, pictures, group=group or ALONE)


@needs_torch
class Classification(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = two_classes(Path(folder.name))

    def test_it_tells_two_colours_apart(self):
        from hrvit_train.classify import evaluate

        run = classifier_of(self.folder, iterations=12, lr=1e-3, mixup=0.0, cutmix=0.0, label_smoothing=0.0, drop_path=0.0, colour=0.0)
        losses = [run.step()[0].item() for _ in range(12)]
        self.assertLess(sum(losses[-3:]), 0.5 * sum(losses[:3]), losses)
        run.model.eval()
        score = evaluate(run.model, run.train, (32, 64))
        self.assertEqual(score.of, 16)

    def test_mixed_pairs_are_neighbours_and_weights_are_areas(self):
        import torch

        from hrvit_train import classify

        run = classifier_of(self.folder, colour=0.0, scale=(1.0, 1.0), aspect=0.0)
        pictures, seeds = run.train.get([0, 8, 1, 9]), [1, 2, 3, 4]
        plain, *_ = classify.batch(pictures, classifier_of(self.folder, mixup=0.0, cutmix=0.0, colour=0.0, scale=(1.0, 1.0), aspect=0.0).recipe, seeds, 5)
        ways = set()
        for mixing in range(8):
            pixels, own, other, weight = classify.batch(pictures, run.recipe, seeds, mixing)
            self.assertEqual((own.tolist(), other.tolist()), ([0, 1, 0, 1], [1, 0, 1, 0]))
            kept = (pixels == plain).all(1).float().mean().item()
            cut = kept > 0
            ways.add(cut)
            if cut:
                self.assertAlmostEqual(kept, weight, places=2)
            else:
                torch.testing.assert_close(pixels[0], weight * plain[0] + (1 - weight) * plain[1])
        self.assertEqual(ways, {False, True}, "both ways of mixing are drawn")

    def test_options_of_the_other_task_are_errors(self):
        from hrvit_train.errors import UserError
        from tests.test_training import run_of

        for make, words in (
            (lambda: classifier_of(self.folder, lovasz=0.5), "--lovasz 0.5: a classifier"),
            (lambda: classifier_of(self.folder, batch=5), "pairs.*even"),
        ):
            with self.assertRaisesRegex(UserError, words):
                make()
        from tests.support import eight_frames

        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(UserError, "--mixup 0.8: a segformer"):
            run_of(eight_frames(Path(folder)), mixup=0.8)

    def test_command_trains_stops_and_resumes(self):
        from tests.test_training import command

        out = self.folder / "out" / "nano.safetensors"
        words = ["--iterations", 2, "--size", "32x64", "--batch", 4, "--scale", "0.3,1", "--mixup", 0.8, "--evaluate-every", 0, "--device", "cpu"]
        network = ["--variant", "nano", "--classes", 2, "--head", "classifier"]
        status, text = command("train", *network, "--data", self.folder, "--out", out, *words, "--stop-after", 0)
        self.assertEqual(status, 0, text)
        status, text = command("train", "--data", self.folder, "--out", out, "--resume", "--device", "cpu")
        self.assertEqual(status, 0, text)
        certificate = json.loads(out.with_suffix(".json").read_text())
        self.assertEqual((certificate["network"]["head"], certificate["iterations"], certificate["val"]["frames"]), ("classifier", 2, 16))
        status, text = command("train", *network, "--classes", 3, "--data", self.folder, "--out", out, *words)
        self.assertEqual(status, 1)
        self.assertIn("has 2 folders, but --classes says 3", text)


if __name__ == "__main__":
    unittest.main()
