"""Specs, checkpoints, labels, schedule, loss: each by itself."""

import tempfile
import unittest
from pathlib import Path

from tests.support import ROOT, needs_torch

B1 = """stem = 64
channels = [32, 64, 128, 256]
blocks = [[1], [1, 1], [1, 1, 6], [1, 1, 6], [1, 1, 6, 2], [1, 1, 2, 2]]
head_dim = 32
windows = [1, 2, 7, 7]
ratios = [4, 4, 4, 4]
head_width = 256
des_activation = "gelu"
"""
"""The text that `hrvit inspect --variant b1 --emit-spec` prints."""


@needs_torch
class Parts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refused(self, *words: str):
        from hrvit_train.errors import UserError

        return self.assertRaisesRegex(UserError, "(?s)" + ".*".join(words))

    def spec_of(self, text: str):
        from hrvit_train.spec import Spec

        path = self.folder / "spec.toml"
        path.write_text(text)
        return Spec.read(path)

    def test_spec_of_the_command_is_the_built_in_one(self):
        from hrvit_train.spec import VARIANTS

        self.assertEqual(self.spec_of(B1), VARIANTS["b1"])

    def test_spec_with_an_unknown_key(self):
        with self.refused("spec.toml", "unknown key 'heads'"):
            self.spec_of(B1 + "heads = 2\n")

    def test_spec_without_a_key(self):
        with self.refused("spec.toml", "missing windows"):
            self.spec_of(B1.replace("windows", "# windows"))

    def test_spec_with_a_value_of_another_type(self):
        with self.refused("channels", "expected"):
            self.spec_of(B1.replace("channels = [32", 'channels = ["32"'))

    def test_spec_whose_last_module_has_three_branches(self):
        with self.refused("blocks", "the last with 4"):
            self.spec_of(B1.replace("blocks = [[1], [1, 1], [1, 1, 6], [1, 1, 6], [1, 1, 6, 2], [1, 1, 2, 2]]", "blocks = [[1], [1, 1], [1, 1, 6]]"))

    def weights(self):
        from hrvit_train.checkpoint import read_weights

        return read_weights(ROOT / "models" / "nano_camvid11.safetensors")

    def load(self, weights, classes=11):
        from hrvit_train.checkpoint import load_weights
        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS

        load_weights(build(VARIANTS["nano"], "segformer", classes), weights, "the file")

    def test_bundled_checkpoint_loads(self):
        self.load(self.weights())

    def test_missing_tensor_is_named(self):
        weights = self.weights()
        del weights["backbone.features.1.branches.0.0.attn.to_qkv.weight"]
        with self.refused("the file", r"features.1.branches.0.0.attn.to_qkv.weight: missing, expected shape \[32, 16\]"):
            self.load(weights)

    def test_extra_tensor_is_named(self):
        import torch

        with self.refused("backbone.head.weight: not part of this network"):
            self.load({**self.weights(), "backbone.head.weight": torch.zeros(1)})

    def test_misshapen_tensor_is_named(self):
        with self.refused(r"decode_head.conv_seg.weight: shape \[11, 64, 1, 1\], expected \[19, 64, 1, 1\]"):
            self.load(self.weights(), classes=19)

    def test_wrapped_checkpoint_of_another_program(self):
        import torch

        from hrvit_train.checkpoint import read_weights

        weights = self.weights()
        wrapped = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}
        torch.save(wrapped, self.folder / "other.pth")
        self.assertEqual(read_weights(self.folder / "other.pth").keys(), weights.keys())

    def test_file_that_is_no_run(self):
        import torch

        from hrvit_train.checkpoint import load_run

        torch.save({"state_dict": {}}, self.folder / "other.ckpt")
        with self.refused("other.ckpt", "--init"):
            load_run(self.folder / "other.ckpt")

    def test_failed_write_leaves_the_previous_file(self):
        from hrvit_train.checkpoint import replace_file

        path = self.folder / "run.ckpt"
        path.write_text("before")

        def half(fresh):
            fresh.write_text("hal")
            raise OSError("disk full")

        with self.assertRaises(OSError):
            replace_file(path, half)
        self.assertEqual([(file.name, file.read_text()) for file in self.folder.iterdir()], [("run.ckpt", "before")])

    def write_frame(self, label_size=(8, 8), mode="L", value=3):
        from PIL import Image

        for name in ("images", "labels"):
            (self.folder / name).mkdir()
        Image.new("RGB", (8, 8)).save(self.folder / "images" / "a.png")
        if label_size:
            Image.new(mode, label_size, value).save(self.folder / "labels" / "a.png")

    def frames(self, classes=2, **options):
        import torch

        from hrvit_train.data import Frames

        return Frames(self.folder, classes, torch.device("cpu"), **options)

    def test_label_at_or_above_the_classes_is_ignored(self):
        from hrvit_train.data import IGNORED

        self.write_frame(value=2)
        for options in ({}, {"cache_bytes": 0}):
            frames = self.frames(classes=2, **options)
            self.assertEqual(frames.cache is None, options != {})
            self.assertEqual(frames.get([0])[0][1].unique().tolist(), [IGNORED])
        self.assertEqual(self.frames(classes=3).pixels_per_class().tolist(), [0, 0, 64])

    def test_palette_label_holds_indices(self):
        self.write_frame(mode="P", value=1)
        self.assertEqual(self.frames().pixels_per_class().tolist(), [0, 64])

    def test_colour_label_is_refused(self):
        self.write_frame(mode="RGB", value=(1, 1, 1))
        with self.refused("labels/a.png", "mode RGB"):
            self.frames()

    def test_label_of_another_size_is_refused(self):
        self.write_frame(label_size=(8, 9))
        with self.refused("labels/a.png: 8x9, but its frame is 8x8"):
            self.frames()

    def test_frame_without_label_is_refused(self):
        self.write_frame(label_size=None)
        with self.refused("labels/a.png is missing"):
            self.frames()

    def test_every_frame_is_drawn_once_before_any_is_drawn_again(self):
        import torch

        from hrvit_train.data import Sampler

        drawn = Sampler(5, torch.Generator().manual_seed(0))
        first = drawn.draw(3) + drawn.draw(2)
        self.assertEqual((sorted(first), sorted(drawn.draw(5))), (list(range(5)), list(range(5))))

    def test_view_smaller_than_the_frame_has_the_crop_size(self):
        import torch

        from hrvit_train.augment import view
        from hrvit_train.recipe import Recipe

        image, label = torch.zeros(3, 40, 50, dtype=torch.uint8), torch.full((40, 50), 7, dtype=torch.uint8)
        for scale in (0.1, 3.0):
            recipe = Recipe(size=(32, 64), scale=(scale, scale))
            pixels, classes = view(image, label, recipe, torch.Generator().manual_seed(1))
            self.assertEqual((tuple(pixels.shape), tuple(classes.shape)), ((3, 32, 64), (32, 64)))
            self.assertEqual(classes.unique().tolist(), [7])

    def test_rate_rises_linearly_then_falls_to_zero(self):
        from hrvit_train.recipe import Recipe
        from hrvit_train.schedule import learning_rate, progress

        for schedule, half in (("cosine", 0.5), ("poly", 0.5)):
            recipe = Recipe(schedule=schedule, lr=2.0, warm_up=10, iterations=100)
            at = [learning_rate(recipe, n, progress(recipe, n, 0.0)) for n in range(101)]
            self.assertAlmostEqual(at[0], 0.2)
            self.assertAlmostEqual(at[50], 2.0 * half)
            self.assertAlmostEqual(at[100], 0.0)
            self.assertEqual(at[10:], sorted(at[10:], reverse=True))

    def test_minutes_end_a_run_that_names_no_iterations(self):
        from hrvit_train.recipe import Recipe
        from hrvit_train.schedule import progress

        self.assertEqual([progress(Recipe(minutes=2.0), 7, seconds) for seconds in (0, 60, 120, 999)], [0, 0.5, 1, 1])

    def test_loss_is_zero_without_a_labelled_pixel_and_the_library_s_with_some(self):
        import torch
        import torch.nn.functional as F

        from hrvit_train.data import IGNORED
        from hrvit_train.losses import weighted_cross_entropy

        logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        classes = torch.full((2, 4, 4), IGNORED)
        weights = torch.tensor([0.5, 1.0, 4.0])
        self.assertEqual(weighted_cross_entropy(logits, classes, weights).item(), 0.0)
        classes[0, 0] = torch.tensor([0, 1, 2, IGNORED])
        for w in (None, weights):
            expected = F.cross_entropy(logits, classes, weight=w, ignore_index=IGNORED)
            self.assertAlmostEqual(weighted_cross_entropy(logits, classes, w).item(), expected.item(), places=6)

    def test_lovasz_of_certain_predictions_is_one_less_their_iou(self):
        import torch
        import torch.nn.functional as F

        from hrvit_train.data import IGNORED
        from hrvit_train.losses import lovasz_softmax

        classes = torch.tensor([[[0, 0, 1], [1, 1, IGNORED]]])
        predicted = torch.tensor([[[0, 1, 1], [1, 2, 2]]])
        logits = F.one_hot(predicted, 3).movedim(-1, 1).float() * 1e4
        # Class 0: 1 of 2; class 1: 2 of 4; class 2 has no label.
        self.assertAlmostEqual(lovasz_softmax(logits, classes).item(), 0.5, places=6)
        self.assertEqual(lovasz_softmax(logits, torch.full_like(classes, IGNORED)).item(), 0.0)

    def test_channels_are_compared_with_the_median_one(self):
        import torch

        from hrvit_train.channels import by_channel, ratio

        values = torch.tensor([[[1.0, -8.0, 0.0, 2.0, 4.0]], [[3.0, 1.0, 0.0, 1.0, 2.0]]])
        self.assertEqual(by_channel(values, -1).tolist(), [3.0, 8.0, 0.0, 2.0, 4.0])
        self.assertAlmostEqual(ratio(by_channel(values, -1)), 8.0 / 3.0, places=6)
        self.assertEqual(ratio(torch.zeros(3)), 1.0)

    def test_iou_of_a_known_confusion(self):
        import torch

        from hrvit_train.evaluate import Score

        score = Score(torch.tensor([[6, 2, 0], [0, 2, 0], [0, 0, 0]]), (32, 32), 1)
        self.assertEqual(score.iou(), [0.75, 0.5, None])
        self.assertEqual((score.miou(), score.accuracy()), (0.625, 0.8))


if __name__ == "__main__":
    unittest.main()
