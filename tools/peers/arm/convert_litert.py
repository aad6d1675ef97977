"""Writes a checkpoint's network as a float32 LiteRT file, input `[1, 3, H, W]`: a process of its own, for LiteRT's converter brings libraries that nothing else here needs."""

import argparse
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, metavar="CKPT")
    parser.add_argument("--variant", required=True, metavar="NAME")
    parser.add_argument("--classes", type=int, required=True, metavar="N")
    parser.add_argument("--size", required=True, metavar="HxW")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(ROOT / "tools" / "train"))
    import litert_torch
    import torch
    from hrvit_train.checkpoint import load_weights, read_weights
    from hrvit_train.model import build
    from hrvit_train.spec import VARIANTS

    height, width = map(int, args.size.split("x"))
    model = build(VARIANTS[args.variant], "segformer", args.classes)
    load_weights(model, read_weights(args.weights), str(args.weights))
    litert_torch.convert(model.eval(), (torch.zeros(1, 3, height, width),)).export(str(args.out))


if __name__ == "__main__":
    main()
