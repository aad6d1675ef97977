"""The training loop: one run, which may be stopped and resumed."""

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

from hrvit_train import augment, classify
from hrvit_train.average import Average
from hrvit_train.checkpoint import Origin, random_state, restore_random_state
from hrvit_train.data import Frames, Sampler
from hrvit_train.errors import UserError
from hrvit_train.evaluate import Score, autocast, evaluate
from hrvit_train.group import ALONE, Group
from hrvit_train.losses import lovasz_softmax, weighted_cross_entropy
from hrvit_train.model import build
from hrvit_train.progress import Progress
from hrvit_train.recipe import Recipe
from hrvit_train.schedule import learning_rate, progress
from hrvit_train.spec import Spec
from hrvit_train.sync_norm import synchronise


@dataclass(frozen=True)
class Task:
    """The trained network: a backbone with a head for this many classes."""

    spec: Spec
    classes: int
    head: str = "segformer"

    @property
    def classifies(self) -> bool:
        """Whether whole pictures are classified, not pixels."""
        return self.head == "classifier"


def optimiser(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; matrices and kernels decay, norms and biases do not. The head's rate is `times` the backbone's."""
    heads = ("head", "decode_head") if recipe.head_lr != 1 else ()
    named = [(name.split(".")[0] in heads, p) for name, p in model.named_parameters()]
    groups = []
    for of_head in (False, True) if heads else (False,):
        parameters = [p for is_head, p in named if is_head == of_head]
        times = recipe.head_lr if of_head else 1.0
        groups.append({"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay, "times": times})
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "times": times})
    return torch.optim.AdamW(groups, lr=recipe.lr)


def class_weights(frames: Frames, recipe: Recipe, group: Group = ALONE) -> torch.Tensor | None:
    """Weights of the loss, `[classes]`: `sqrt(mean frequency / frequency)` between 0.5 and 4."""
    if recipe.class_weights == "none":
        return None
    counts = frames.pixels_per_class(group)
    return (counts.mean() / counts.clamp(min=1)).sqrt().clamp(0.5, 4.0).float().to(frames.device)


def _check(task: Task, recipe: Recipe, share: slice) -> None:
    """Options that the task does not have are errors, not ignored."""
    others = ("lovasz",) if task.classifies else ("label_smoothing", "mixup", "cutmix", "rand_augment", "erasing", "repeats")
    for name in others:
        if (value := getattr(recipe, name)) != getattr(Recipe, name):
            raise UserError(f"--{name.replace('_', '-')} {value}: a {task.head} does not have it; leave it out")
    if (recipe.mixup or recipe.cutmix) and (share.stop - share.start) % 2:
        raise UserError(f"batch = {recipe.batch}: mixing takes pairs; give --batch an even number of pictures for each process")


def _distributed(model: torch.nn.Module) -> DistributedDataParallel:
    """`model` with BatchNorm over all processes and averaged gradients; all must have built the same weights."""
    device = next(model.parameters()).device
    # Statistics need no broadcast: every process computes the same ones.
    return DistributedDataParallel(synchronise(model), device_ids=[device] if device.type == "cuda" else None, broadcast_buffers=False)


class Run:
    """A network, its average, the optimiser and all random generators, at some iteration of a recipe.

    Every process of `group` has the same run: the same weights, generators and iteration.
    """

    def __init__(self, task: Task, recipe: Recipe, train: Frames | classify.Pictures, origin: Origin | None = None, group: Group = ALONE):
        if len(train) == 0:
            raise UserError(f"{train.folder}: no frames to train on")
        torch.manual_seed(recipe.seed)
        self.task, self.recipe, self.train, self.group = task, recipe.validate(), train, group
        self.share = group.share(recipe.batch)
        _check(task, recipe, self.share)
        if recipe.lovasz and group.size > 1:
            raise UserError("--lovasz ranks the pixels of the whole batch, which no process has; train with one process or leave it out")
        self.model = build(task.spec, task.head, task.classes, recipe.drop_path)
        if origin is not None:
            origin.load(self.model)
        self.origin = None if origin is None else origin.to_dict()
        self.model.to(train.device)
        self.average = Average(self.model, recipe.ema)
        self.forward = self.model if group.size == 1 else _distributed(self.model)
        self.optimiser = optimiser(self.model, recipe)
        self.views = torch.Generator().manual_seed(recipe.seed)
        self.sampler = Sampler(len(train), self.views, recipe.repeats)
        self.weights = None if task.classifies else class_weights(train, recipe, group)
        self.iteration, self.seconds = 0, 0.0

    def state(self) -> dict:
        """Everything that `restore` needs to go on as if nothing had happened."""
        return {
            "spec": self.task.spec.to_dict(),
            "classes": self.task.classes,
            "head": self.task.head,
            "recipe": self.recipe.to_dict(),
            "origin": self.origin,
            "frames": len(self.train),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": random_state(),
            "views": self.views.get_state(),
            "sampler": list(self.sampler.left),
        }

    @staticmethod
    def restore(state: dict, recipe: Recipe, train: Frames | classify.Pictures, group: Group = ALONE) -> "Run":
        """The run that `state` was taken of, by any number of processes; `recipe` is its own, perhaps longer."""
        if state["frames"] != len(train):
            raise UserError(f"{train.folder} has {len(train)} frames, but the run to resume was trained on {state['frames']}")
        run = Run(Task(Spec.from_dict(state["spec"], "checkpoint"), state["classes"], state.get("head", "segformer")), recipe, train, group=group)
        run.model.load_state_dict(state["model"])
        run.average.model.load_state_dict(state["average"])
        run.optimiser.load_state_dict(state["optimiser"])
        restore_random_state(state["random"])
        run.views.set_state(state["views"])
        run.sampler.left = list(state["sampler"])
        run.origin = state["origin"]
        run.iteration, run.seconds = state["iteration"], state["seconds"]
        return run

    def finished(self) -> bool:
        """Whether the recipe's iterations or minutes are over."""
        return progress(self.recipe, self.iteration, self.seconds) >= 1

    def step(self) -> tuple[torch.Tensor, float]:
        """One iteration; its loss over the batch of all processes (a tensor, so that a GPU need not be waited for) and learning rate."""
        recipe = self.recipe
        lr = learning_rate(recipe, self.iteration, progress(recipe, self.iteration, self.seconds))
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group.get("times", 1.0)
        drawn, seeds = self.sampler.draw(recipe.batch), augment.seeds(recipe.batch, self.views)
        frames, seeds = self.train.get(drawn[self.share]), seeds[self.share]
        loss = self.loss_of_pictures(frames, seeds) if self.task.classifies else self.loss_of_pixels(frames, seeds)
        self.optimiser.zero_grad(set_to_none=True)
        # Gradients become the mean over the processes, but the loss is the sum of their parts.
        (loss * self.group.size).backward()
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimiser.step()
        self.average.update(self.model, self.iteration)
        self.iteration += 1
        return self.group.sum(loss.detach().clone()), lr

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Of a batch, in training."""
        self.model.train()
        with autocast(self.train.device):
            return self.forward(pixels).float()

    def loss_of_pixels(self, frames: list, seeds: list[int]) -> torch.Tensor:
        """This process's part of the loss of labelled frames."""
        pixels, classes = augment.batch(frames, self.recipe, seeds)
        logits = F.interpolate(self.logits(pixels), self.recipe.size, mode="bilinear", align_corners=False)
        loss = weighted_cross_entropy(logits, classes, self.weights, self.group)
        if self.recipe.lovasz:
            loss = loss + self.recipe.lovasz * lovasz_softmax(logits, classes)
        return loss

    def loss_of_pictures(self, pictures: list, seeds: list[int]) -> torch.Tensor:
        """This process's part of the loss of classified pictures."""
        recipe = self.recipe
        pixels, *mixed = classify.batch(pictures, recipe, seeds, augment.seeds(1, self.views)[0])
        return classify.loss(self.logits(pixels), tuple(mixed), recipe.label_smoothing, recipe.batch)

    def go(self, stop_after: float, val: Frames | classify.Pictures | None, save) -> Score | classify.TopOne | None:
        """Trains to the end of the recipe or for `stop_after` minutes; the writing process calls `save` after every evaluation, when the
        last save is `save_every` minutes old, and at the end. The last score of the average."""
        recipe, line, score = self.recipe, Progress(), None
        begun, before = time.monotonic(), self.seconds
        stop = before + 60 * stop_after
        saved = before

        def evaluate_average() -> Score | classify.TopOne | None:
            if val is None:
                return None
            score = (classify.evaluate if self.task.classifies else evaluate)(self.average.model, val, recipe.size, self.group)
            if self.group.writes:
                print(f"it {self.iteration}  {score.line()}", flush=True)
            return score

        def keep() -> None:
            if self.group.writes:
                save(self)

        while not self.finished() and self.seconds < stop:
            loss, lr = self.step()
            self.seconds = self.group.clock(before + time.monotonic() - begun, self.train.device)
            if self.group.writes:
                line.step(self.iteration, recipe.iterations, loss, lr, max(60 * recipe.minutes - self.seconds, 0))
            if line.count == 0 and not torch.isfinite(loss):
                raise UserError(f"the loss is {loss.item()} at iteration {self.iteration}; try a lower --lr")
            evaluated = recipe.evaluate_every and self.iteration % recipe.evaluate_every == 0 and not self.finished()
            if evaluated:
                score = evaluate_average()
            if evaluated or (recipe.save_every and self.seconds - saved >= 60 * recipe.save_every):
                keep()
                saved = self.seconds
        score = evaluate_average()
        keep()
        return score
