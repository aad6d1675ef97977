"""Everything that decides what a run computes, in one place: it goes into checkpoints and birth certificates."""

from dataclasses import asdict, dataclass, field, fields

from hrvit_train.errors import UserError
from hrvit_train.spec import check_size

SCHEDULES = ("cosine", "poly")
CLASS_WEIGHTS = ("sqrt", "none")
MAY_CHANGE = ("minutes", "iterations", "evaluate_every", "save_every")
"""Fields that may differ when a run is resumed: its length, how often it reports and how often it saves."""


def _option(default, text: str, choices: tuple[str, ...] | None = None):
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class Recipe:
    """Training hyper-parameters. A run is as long as `iterations`, or, if that is 0, as `minutes`. Each field is an option of `train`."""

    size: tuple[int, int] = _option((352, 480), "HxW of training crops and of evaluation, multiples of 32")
    batch: int = _option(16, "frames per iteration")
    iterations: int = _option(0, "length of the whole run; 0: --minutes decides")
    minutes: float = _option(18.0, "length of the whole run, over all processes that take part")
    lr: float = _option(1e-3, "AdamW's learning rate at its peak")
    head_lr: float = _option(1.0, "the head's learning rate, in multiples of the backbone's")
    schedule: str = _option("cosine", "decay of the rate to zero: cosine, or the paper's polynomial of power 1", SCHEDULES)
    warm_up: int = _option(200, "iterations over which the rate rises linearly")
    weight_decay: float = _option(0.05, "of matrices and kernels; norms and biases have none")
    drop_path: float = _option(0.05, "stochastic depth of the last block; it grows linearly from 0")
    clip: float = _option(1.0, "largest norm of all gradients together; 0: any")
    ema: float = _option(0.999, "decay of the average of weights and BatchNorm statistics, reached gradually")
    scale: tuple[float, float] = _option((0.6, 2.0), "LOW,HIGH of the random scale, relative to the frame as stored; of a classifier: parts of a picture's area")
    aspect: float = _option(0.1, "largest random change of the aspect ratio, as a logarithm")
    colour: float = _option(0.15, "strength of the random changes of contrast, brightness and saturation")
    class_weights: str = _option("sqrt", "in the loss: inverse square root of the class frequency, from 0.5 to 4; or none", CLASS_WEIGHTS)
    lovasz: float = _option(0.0, "weight of the Lovász-softmax loss beside cross-entropy; 0 leaves it out")
    label_smoothing: float = _option(0.0, "of a classifier: part of a target that all classes share")
    mixup: float = _option(0.0, "of a classifier: strength of mixup between neighbours of a batch; 0: none")
    cutmix: float = _option(0.0, "of a classifier: strength of CutMix between neighbours of a batch; 0: none")
    rand_augment: float = _option(0.0, "of a classifier: magnitude of RandAugment, up to 10; 0: none")
    erasing: float = _option(0.0, "of a classifier: part of the pictures in which a rectangle becomes noise")
    repeats: int = _option(1, "of a classifier: views of each picture in a batch")
    seed: int = _option(0, "of weights, order, views and stochastic depth")
    evaluate_every: int = _option(500, "iterations between evaluations, with a checkpoint each; 0: only at the end")
    save_every: float = _option(10.0, "minutes between checkpoints, beside those of evaluations; 0: none")

    def validate(self) -> "Recipe":
        """Itself, if every field is in range."""
        check_size(*self.size)
        in_range = {
            "batch": self.batch >= 1,
            "iterations": self.iterations >= 0,
            "minutes": self.iterations > 0 or self.minutes > 0,
            "lr": self.lr > 0,
            "head_lr": self.head_lr > 0,
            "schedule": self.schedule in SCHEDULES,
            "warm_up": self.warm_up >= 0,
            "weight_decay": self.weight_decay >= 0,
            "drop_path": 0 <= self.drop_path < 1,
            "clip": self.clip >= 0,
            "ema": 0 <= self.ema < 1,
            "scale": 0 < self.scale[0] <= self.scale[1],
            "aspect": 0 <= self.aspect < 1,
            "colour": 0 <= self.colour < 1,
            "class_weights": self.class_weights in CLASS_WEIGHTS,
            "lovasz": self.lovasz >= 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "mixup": self.mixup >= 0,
            "cutmix": self.cutmix >= 0,
            "rand_augment": 0 <= self.rand_augment <= 10,
            "erasing": 0 <= self.erasing <= 1,
            "repeats": self.repeats >= 1,
            "evaluate_every": self.evaluate_every >= 0,
            "save_every": self.save_every >= 0,
        }
        for name, holds in in_range.items():
            if not holds:
                raise UserError(f"{name} = {getattr(self, name)}: out of range")
        return self

    def to_dict(self) -> dict:
        """Plain values, for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_dict(table: dict) -> "Recipe":
        """The inverse of `to_dict`; fields that are missing have their defaults."""
        known = {field.name for field in fields(Recipe)}
        if unknown := sorted(set(table) - known):
            raise UserError(f"recipe: unknown {', '.join(unknown)}")
        return Recipe(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}).validate()

    def changed(self, wanted: dict) -> "Recipe":
        """With the `wanted` fields of a resumed run; only those in `MAY_CHANGE` may differ."""
        for name, value in wanted.items():
            if name not in MAY_CHANGE and getattr(self, name) != value:
                raise UserError(f"--{name.replace('_', '-')} is {value}, but the checkpoint was trained with {getattr(self, name)}; leave the option out")
        return Recipe(**{**self.__dict__, **{name: value for name, value in wanted.items() if name in MAY_CHANGE}}).validate()
