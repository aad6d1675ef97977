"""One process of a run, for the tests: `torchrun ... -m tests.one_of_many FOLDER STEPS CHECKPOINT [--resume] [--pictures|--strong]`
on the frames, or pictures, of FOLDER, with strong augmentation or without.

The first process prints the losses as JSON; with STEPS over it leaves CHECKPOINT.
"""

import json
import sys
from pathlib import Path

import torch

from hrvit_train import group
from hrvit_train.checkpoint import load_run, save_run
from hrvit_train.loop import Run
from tests.test_classification import classifier_of
from tests.test_strong import strongly_augmented
from tests.test_training import run_of


def main(folder: Path, steps: int, checkpoint: Path, words: list[str]) -> None:
    torch.set_num_threads(1)
    ours, _ = group.join("cpu")
    kind = strongly_augmented if "--strong" in words else classifier_of if "--pictures" in words else run_of
    fresh = kind(folder, iterations=6, group=ours)
    run = Run.restore(load_run(checkpoint), fresh.recipe, fresh.train, ours) if "--resume" in words else fresh
    losses = [run.step()[0].item() for _ in range(steps)]
    if ours.writes:
        save_run(checkpoint, run.state())
        print(json.dumps(losses))
    group.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
