"""Networks without some of the paper's techniques: as their vectors say, with the parameters that they should have, and trainable."""

import dataclasses
import unittest

from tests.support import needs_torch

# Channels of b1, and blocks with them.
CHANNELS, BLOCKS = (32, 64, 128, 256), (6, 5, 20, 4)


def over_blocks(count) -> int:
    return sum(blocks * count(c) for c, blocks in zip(CHANNELS, BLOCKS))


@needs_torch
class Ablations(unittest.TestCase):
    def without(self, **techniques):
        from hrvit_train.spec import VARIANTS, Ablation

        return dataclasses.replace(VARIANTS["b1"], ablation=Ablation(**techniques))

    def parameters(self, spec) -> int:
        from hrvit_train.model import build

        return sum(p.numel() for p in build(spec, "segformer", 19).parameters())

    def test_logits_are_those_of_the_vectors(self):
        from safetensors import safe_open

        from tests.ablation_vectors import CASES, FILE, logits

        with safe_open(FILE, "pt") as file:
            self.assertEqual(sorted(file.keys()), sorted(CASES))
            expected = {case: file.get_tensor(case) for case in CASES}
        for case in CASES:
            difference = (logits(case) - expected[case]).abs().max() / expected[case].abs().max()
            self.assertLessEqual(difference.item(), 1e-4, case)

    def test_parameters_that_a_technique_has_are_gone(self):
        whole = self.parameters(self.without())
        self.assertEqual(whole - self.parameters(self.without(no_parallel_path=True)), over_blocks(lambda c: 10 * c))
        self.assertEqual(whole - self.parameters(self.without(between="nothing")), over_blocks(lambda c: 2 * c * (9 + 25) + 4 * c))
        self.assertEqual(whole - self.parameters(self.without(between="3x3")), over_blocks(lambda c: 2 * c * (25 - 9)))
        self.assertEqual(self.parameters(self.without(between="5x5")) - whole, over_blocks(lambda c: 2 * c * (25 - 9)))
        self.assertEqual(whole - self.parameters(self.without(no_extra_norm=True)), over_blocks(lambda c: 2 * c))
        self.assertEqual(self.parameters(self.without(own_keys=True)) - whole, over_blocks(lambda c: c * c + c))
        # Shapes of the shortcut, [k, p] of every branch.
        shapes = {32: (4, 8), 64: (8, 8), 128: (8, 16), 256: (16, 16)}
        des = over_blocks(lambda c: sum(n * n + n for n in shapes[c]))
        self.assertEqual(whole - self.parameters(self.without(no_des=True)), des)
        self.assertLess(self.parameters(self.without(sparse_fusion=True)), whole)

    def test_every_parameter_is_trained(self):
        import torch

        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS, Ablation
        from tests.ablation_vectors import CASES

        for case, techniques in CASES.items():
            spec = dataclasses.replace(VARIANTS["nano"], ablation=Ablation(**techniques))
            model = build(spec, "segformer", 3)
            for norm in (module for name, module in model.named_modules() if name.endswith("attn_bn")):
                torch.nn.init.ones_(norm.weight)
            model(torch.randn(2, 3, 64, 64)).square().mean().backward()
            self.assertEqual([name for name, p in model.named_parameters() if p.grad is None], [], case)

    def test_spec_files_and_errors(self):
        from hrvit_train.errors import UserError
        from hrvit_train.spec import VARIANTS, Spec

        spec = self.without(no_des=True, between="5x5")
        self.assertEqual(Spec.from_dict(spec.to_dict(), "file"), spec)
        self.assertNotIn("ablation", VARIANTS["b1"].to_dict())
        for ablation, words in (
            ({"between": "7x7"}, "ablation.between = '7x7'.*3x3"),
            ({"no_des": 1}, "ablation.no_des = 1"),
            ({"des": False}, "ablation: unknown key 'des'"),
        ):
            with self.assertRaisesRegex(UserError, words):
                Spec.from_dict({**VARIANTS["b1"].to_dict(), "ablation": ablation}, "file")


if __name__ == "__main__":
    unittest.main()
