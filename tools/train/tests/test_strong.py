"""RandAugment, random erasing and repeated augmentation: what DeiT adds to the views of a classifier."""

import tempfile
import unittest
from collections import Counter
from pathlib import Path

from tests.support import ROOT, needs_torch, needs_torchvision, two_classes


def strongly_augmented(folder: Path, group=None, **changes):
    """A fresh run of a classifier with all of them."""
    from tests.test_classification import classifier_of

    return classifier_of(folder, group, **{"rand_augment": 9.0, "erasing": 0.75, "repeats": 3, "colour": 0.0, **changes})


def picture():
    """A frame of the bundled ones, `[3, H, W]` in [0, 255]."""
    import numpy as np
    import torch
    from PIL import Image

    path = sorted((ROOT / "data" / "val" / "images").iterdir())[0]
    return torch.from_numpy(np.array(Image.open(path).convert("RGB").resize((96, 64)))).permute(2, 0, 1).float()


@needs_torch
class Repeats(unittest.TestCase):
    def test_each_frame_is_in_a_batch_as_often_as_asked_and_never_beside_itself(self):
        import torch

        from hrvit_train.data import Sampler

        sampler = Sampler(30, torch.Generator().manual_seed(1), repeats=3)
        batches = [sampler.draw(12) for _ in range(5)]
        for batch in batches:
            self.assertEqual(set(Counter(batch).values()), {3})
            self.assertTrue(all(batch[i] != batch[i ^ 1] for i in range(12)), batch)
        pictures = [index for batch in batches for index in set(batch)]
        # 4 frames a batch: five batches see 20 of the 30, none of them twice.
        self.assertEqual((len(pictures), len(set(pictures))), (20, 20))
        self.assertEqual(Counter(Counter(sampler.draw(8)).values()), {3: 2, 2: 1}, "a batch that 3 does not divide lacks a view")

    def test_without_repeats_an_order_is_as_it_was(self):
        import torch

        from hrvit_train.data import Sampler

        expected = torch.randperm(7, generator=torch.Generator().manual_seed(3)).tolist()[::-1]
        sampler = Sampler(7, torch.Generator().manual_seed(3))
        self.assertEqual(sampler.draw(4) + sampler.draw(3), expected)

    def test_segmentors_refuse_them(self):
        from hrvit_train.errors import UserError
        from tests.support import eight_frames
        from tests.test_training import run_of

        with tempfile.TemporaryDirectory() as folder:
            frames = eight_frames(Path(folder))
            for change in ({"repeats": 3}, {"rand_augment": 9.0}, {"erasing": 0.5}):
                with self.assertRaisesRegex(UserError, "a segformer does not have it"):
                    run_of(frames, **change)

    def test_gradients_are_bounded_unless_the_bound_is_0(self):
        import torch

        from tests.test_classification import classifier_of

        def norm_behind_a_step(clip):
            with tempfile.TemporaryDirectory() as folder:
                run = classifier_of(two_classes(Path(folder)), clip=clip, drop_path=0.0)
                run.step()
                return torch.stack([p.grad.norm() for p in run.model.parameters() if p.grad is not None]).norm().item()

        free, bounded = norm_behind_a_step(0.0), norm_behind_a_step(1e-3)
        self.assertGreater(free, 0.1)
        self.assertAlmostEqual(bounded, 1e-3, delta=1e-5)


@needs_torch
@needs_torchvision
class Strong(unittest.TestCase):
    def test_rand_augment_follows_from_its_seed_and_leaves_a_quarter_alone(self):
        import torch

        from hrvit_train.strong import rand_augment

        before = picture()
        after = [rand_augment(before, 9.0, seed) for seed in range(200)]
        for seed in (0, 1, 7):
            torch.testing.assert_close(rand_augment(before, 9.0, seed), after[seed], rtol=0, atol=0)
        untouched = sum(torch.equal(picture, before.round()) for picture in after) / 200
        # Neither of two operations happens in 1 of 4, and one of 14 operations is none.
        self.assertTrue(0.2 < untouched < 0.45, untouched)
        self.assertTrue(all(0 <= picture.min() and picture.max() <= 255 and picture.shape == before.shape for picture in after))

    def test_a_greater_magnitude_moves_pictures_further(self):
        from hrvit_train.strong import rand_augment

        before = picture()

        def distance(magnitude):
            return sum((rand_augment(before, magnitude, seed) - before).abs().mean().item() for seed in range(100))

        self.assertGreater(distance(9.0), 1.5 * distance(1.0))

    def test_erasing_puts_noise_into_one_rectangle(self):
        from hrvit_train.data import normalise
        from hrvit_train.strong import erase

        before = normalise(picture())
        erased = 0
        for seed in range(200):
            changed = (erase(before, 0.25, seed) != before).any(0)
            if not changed.any():
                continue
            erased += 1
            rows, columns = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
            inside = changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            self.assertTrue(inside.all(), "a rectangle")
            self.assertTrue(0.015 < inside.numel() / changed.numel() < 0.35)
        self.assertTrue(30 <= erased <= 70, erased)
        self.assertTrue((erase(before, 0.0, 1) == before).all())

    def test_who_draws_outside_notices_nothing(self):
        import torch

        from hrvit_train.strong import erase, rand_augment

        def drawn(between):
            torch.manual_seed(5)
            torch.rand(3)
            between()
            return torch.rand(3)

        plain = drawn(lambda: None)
        for between in (lambda: rand_augment(picture(), 9.0, 1), lambda: erase(picture(), 1.0, 1)):
            self.assertTrue(torch.equal(drawn(between), plain))

    def test_a_run_has_all_three_and_stops_and_resumes(self):
        from hrvit_train.checkpoint import load_run, save_run
        from hrvit_train.loop import Run

        with tempfile.TemporaryDirectory() as folder:
            folder = two_classes(Path(folder))
            whole = strongly_augmented(folder, iterations=4)
            losses = [whole.step()[0].item() for _ in range(4)]
            first = strongly_augmented(folder, iterations=4)
            first.step(), first.step()
            save_run(folder / "run.ckpt", first.state())
            second = Run.restore(load_run(folder / "run.ckpt"), first.recipe, first.train)
            self.assertEqual([second.step()[0].item() for _ in range(2)], losses[2:])
            for name in ("rand_augment", "erasing", "repeats"):
                other = strongly_augmented(folder, iterations=4, **{name: 1 if name == "repeats" else 0.0})
                self.assertNotEqual(other.step()[0].item(), losses[0], f"{name} changes the views")


if __name__ == "__main__":
    unittest.main()
