"""Several processes train as one does: the same losses, one checkpoint, BatchNorm over all frames."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.support import eight_frames, needs_torch, needs_torchvision, two_classes

TOLERANCE = 1e-4
"""Largest difference of a loss, relative. Sums in another order differ by about 1e-7 and grow with the iterations."""
TRAIN = Path(__file__).resolve().parents[1]


def torchrun(processes: int, *words) -> subprocess.CompletedProcess:
    """Runs a module in `processes` processes that talk by gloo."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*launch, *map(str, words)], cwd=TRAIN, env=environment, capture_output=True, text=True, timeout=600)


@needs_torch
class Groups(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = eight_frames(Path(folder.name))

    def losses(self, processes: int, steps: int, *words) -> list[float]:
        done = torchrun(processes, "tests.one_of_many", self.folder, steps, self.folder / "run.ckpt", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def assert_close(self, ours: list[float], theirs: list[float]):
        self.assertEqual(len(ours), len(theirs))
        for step, (a, b) in enumerate(zip(ours, theirs)):
            self.assertLessEqual(abs(a - b) / abs(b), TOLERANCE, f"step {step}: {ours} and {theirs}")

    def test_two_processes_have_the_losses_of_one_and_resume_as_one_or_two(self):
        from tests.test_training import run_of

        run = run_of(self.folder, iterations=6)
        alone = [run.step()[0].item() for _ in range(6)]
        self.assertGreater(max(alone) - min(alone), 0.1, "losses that do not move show nothing")
        self.assert_close(self.losses(2, 6), alone)
        first = self.losses(2, 2)
        self.assert_close(first + self.losses(1, 2, "--resume") + self.losses(2, 2, "--resume"), alone)

    def test_two_processes_classify_with_the_losses_of_one(self):
        from tests.test_classification import classifier_of

        with tempfile.TemporaryDirectory() as folder:
            self.folder = two_classes(Path(folder))
            run = classifier_of(self.folder, iterations=6)
            alone = [run.step()[0].item() for _ in range(3)]
            first = self.losses(2, 2, "--pictures")
            self.assert_close(first + self.losses(1, 1, "--pictures", "--resume"), alone)

    @needs_torchvision
    def test_two_processes_make_the_strong_views_of_one(self):
        from tests.test_strong import strongly_augmented

        with tempfile.TemporaryDirectory() as folder:
            self.folder = two_classes(Path(folder))
            run = strongly_augmented(self.folder, iterations=6)
            alone = [run.step()[0].item() for _ in range(3)]
            self.assert_close(self.losses(2, 2, "--strong") + self.losses(1, 1, "--strong", "--resume"), alone)

    def presets_to_their_end(self, run, runs: Path) -> dict[str, dict]:
        """Certificates of the three presets, run small by `run(words)`, which returns status and output."""
        pictures = runs / "pictures"
        pictures.mkdir()
        two_classes(pictures)
        small = ["--variant", "nano", "--batch", 4, "--iterations", 3, "--warm-up", 1, "--evaluate-every", 2, "--device", "cpu"]
        pixels = ["--classes", 11, "--data", self.folder, "--size", "64x96", "--scale", "0.25,0.3", "--init-backbone", runs / "paper-imagenet.safetensors"]
        of = {"paper-imagenet": ["--classes", 2, "--data", pictures, "--size", "32x64"], "paper-ade20k": pixels, "paper-cityscapes": pixels}
        found = {}
        for preset, words in of.items():
            out = runs / f"{preset}.safetensors"
            status, text = run("train", "--preset", preset, *small, *words, "--out", out)
            self.assertEqual(status, 0, text)
            found[preset] = json.loads(out.with_suffix(".json").read_text())
        return found

    @needs_torchvision
    def test_presets_run_to_their_end_in_one_process_and_in_two(self):
        from tests.test_training import command

        def in_two(*words):
            done = torchrun(2, "hrvit_train", *words)
            return done.returncode, done.stderr

        found = []
        for run in (command, in_two):
            with tempfile.TemporaryDirectory() as folder:
                found.append(self.presets_to_their_end(run, Path(folder)))
        for preset, alone in found[0].items():
            together = found[1][preset]
            self.assertEqual((alone["finished"], together["finished"], alone["recipe"]), (True, True, together["recipe"]), preset)
        scores = [[of[preset]["val"]["pixel_accuracy"] for preset in ("paper-ade20k", "paper-cityscapes")] for of in found]
        for one, two in zip(*scores):
            self.assertAlmostEqual(one, two, places=2)

    def test_command_under_torchrun_writes_once_and_scores_as_one_process(self):
        from tests.test_training import CLASSES, command

        words = ["train", "--variant", "nano", "--classes", CLASSES, "--data", self.folder, "--iterations", 2, "--size", "64x96", "--batch", 4]
        words += ["--scale", "0.25,0.3", "--evaluate-every", 0, "--device", "cpu"]
        done = torchrun(2, "hrvit_train", *words, "--out", self.folder / "two" / "nano.safetensors")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("2 processes (cpu)"), 1, done.stdout)
        self.assertEqual(sorted(path.name for path in (self.folder / "two").iterdir()), ["nano.ckpt", "nano.json", "nano.safetensors"])
        status, text = command(*words, "--out", self.folder / "one" / "nano.safetensors")
        self.assertEqual(status, 0, text)
        scores = [json.loads((self.folder / name / "nano.json").read_text())["val"]["pixel_accuracy"] for name in ("one", "two")]
        self.assertAlmostEqual(*scores, places=3)

    def test_batch_that_does_not_divide(self):
        from hrvit_train.errors import UserError
        from hrvit_train.group import Group

        with self.assertRaisesRegex(UserError, "(?s)batch = 5.*2 processes.*--batch"):
            Group(1, 2).share(5)
        self.assertEqual([Group(rank, 2).share(4) for rank in range(2)], [slice(0, 2), slice(2, 4)])
        self.assertEqual(sorted(index for rank in range(3) for index in Group(rank, 3).every(8)), list(range(8)))

    def test_presets_are_recipes_with_the_settings_of_the_paper(self):
        from hrvit_train.presets import PRESETS
        from hrvit_train.recipe import Recipe

        for name, size in (("paper-ade20k", (512, 512)), ("paper-cityscapes", (1024, 1024))):
            recipe = Recipe(**PRESETS[name]).validate()
            self.assertEqual((recipe.size, recipe.batch, recipe.iterations, recipe.lr), (size, 16, 160_000, 6e-5), name)
            self.assertEqual((recipe.schedule, recipe.warm_up, recipe.weight_decay, recipe.head_lr), ("poly", 1500, 0.01, 10), name)
        recipe = Recipe(**PRESETS["paper-imagenet"]).validate()
        self.assertEqual((recipe.size, recipe.batch, recipe.iterations // 1251, recipe.lr), ((224, 224), 1024, 300, 1e-3))
        self.assertEqual((recipe.schedule, recipe.weight_decay, recipe.drop_path), ("cosine", 0.05, 0.1))
        self.assertEqual((recipe.rand_augment, recipe.erasing, recipe.repeats, recipe.mixup, recipe.cutmix), (9, 0.25, 3, 0.8, 1.0))
        self.assertEqual((recipe.colour, recipe.clip, recipe.ema), (0, 0, 0), "DeiT has none of them")


if __name__ == "__main__":
    unittest.main()
