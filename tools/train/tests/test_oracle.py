"""The network against vectors of an independent PyTorch definition: see `tests/data/oracle/README.md` at the repository's root."""

import dataclasses
import os
import unittest

from tests.support import ROOT, needs_torch, synthetic

TOLERANCE = 1e-4
"""Largest difference allowed, as a part of the tensor's largest magnitude. Sums in another order differ by about 1e-6."""
CASES = ("nano_seg11_64x96_trace", "b2_cls1000_64x64")
"""Both heads, windows taller than the map, every tensor of a module. `HRVIT_ORACLE=all` takes all files."""


@needs_torch
class Oracle(unittest.TestCase):
    def test_every_tensor_is_reproduced(self):
        folder = ROOT / "tests" / "data" / "oracle"
        cases = CASES if os.environ.get("HRVIT_ORACLE") != "all" else sorted(path.stem for path in folder.glob("*.safetensors"))
        for case in cases:
            with self.subTest(case):
                self.reproduce(folder / f"{case}.safetensors")

    def reproduce(self, path):
        import torch
        from safetensors import safe_open

        from hrvit_train.checkpoint import COUNTER, load_weights
        from hrvit_train.data import normalise
        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS

        variant, head = path.stem.split("_")[:2]
        with safe_open(path, "pt") as file:
            seed = int(file.metadata()["seed"])
            expected = {name: file.get_tensor(name) for name in file.keys()}
        model = build(VARIANTS[variant], {"seg": "segformer", "cls": "classifier"}[head[:3]], int(head[3:])).eval()
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
        load_weights(model, {name: synthetic(name, shape, seed) for name, shape in shapes.items()}, path.name)

        seen = {}

        def keep(name):
            def hook(_module, _inputs, output):
                parts = {f"{name}.out.{branch}": part for branch, part in enumerate(output)} if isinstance(output, list) else {name: output}
                seen.update({name: part.detach().clone() for name, part in parts.items()})

            return hook

        for name, module in getattr(model, "backbone", model).named_modules():
            module.register_forward_hook(keep(name))
        with torch.no_grad():
            frame = expected.pop("input_u8").permute(2, 0, 1)[None].float()
            seen["logits"] = model(normalise(frame))

        for name, values in expected.items():
            self.assertIn(name, seen, "never shown by the forward pass")
            got = seen[name]
            # Tokens are [1, H * W, C] in the file and [1, H, W, C] here.
            got = got.flatten(1, 2) if got.ndim == 4 and values.ndim == 3 else got
            self.assertEqual(got.shape, values.shape, name)
            difference = ((got - values).abs().max() / values.abs().max()).item()
            self.assertLessEqual(difference, TOLERANCE, f"{path.stem}: {name}, as a part of its largest magnitude")


@needs_torch
class Variants(unittest.TestCase):
    def test_parameters_are_those_of_the_paper(self):
        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS

        counts = {("nano", 11): 1_573_175, ("b1", 19): 8_149_451, ("b2", 19): 20_776_115, ("b3", 19): 28_623_755}
        for (variant, classes), expected in counts.items():
            model = build(VARIANTS[variant], "segformer", classes)
            self.assertEqual(sum(p.numel() for p in model.parameters()), expected, variant)

    def test_hardswish_in_the_shortcut_changes_the_function(self):
        import torch

        from hrvit_train.model import build
        from hrvit_train.spec import VARIANTS

        gelu, paper = (
            build(dataclasses.replace(VARIANTS["nano"], des_activation=name), "segformer", 3).eval() for name in ("gelu", "hardswish")
        )
        paper.load_state_dict(gelu.state_dict())
        x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            self.assertFalse(torch.equal(gelu(x), paper(x)))


if __name__ == "__main__":
    unittest.main()
