"""The exported ONNX file on ONNX Runtime against PyTorch."""

import importlib.util
import tempfile
import unittest
from pathlib import Path

from tests.support import needs_torch

MISSING = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]


@needs_torch
@unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}; only export-onnx needs them")
class Onnx(unittest.TestCase):
    def test_partial_windows_and_an_oblong_input(self):
        import onnxruntime
        import torch

        from hrvit_train.export import write_onnx
        from hrvit_train.model import build
        from hrvit_train.spec import Spec

        spec = Spec(8, (8, 16, 32, 48), ((1,), (1, 1), (1, 1, 1), (1, 1, 1, 1)), 8, (1, 3, 2, 2), (2, 2, 2, 2), 16)
        torch.manual_seed(0)
        model = build(spec, "segformer", 3).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                torch.nn.init.ones_(module.weight)  # Else attention, silent at the start, would not be seen.
        x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            path = Path(folder) / "net.onnx"
            write_onnx(model, (64, 96), path)
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            (got,) = session.run(None, {"x": x.numpy()})
            expected = model(x)
        self.assertEqual(got.shape, tuple(expected.shape))
        difference = (torch.from_numpy(got) - expected).abs().max() / expected.abs().max()
        self.assertLessEqual(difference.item(), 1e-4)  # float32 sums in another order


if __name__ == "__main__":
    unittest.main()
