"""The network as data: widths, depths, windows, ratios; the same TOML that `hrvit inspect --emit-spec` prints."""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from hrvit_train.errors import UserError

BRANCHES = 4
"""Branches of the last modules: 1/4, 1/8, 1/16 and 1/32 of the input."""

DES_ACTIVATIONS = ("gelu", "hardswish")
"""Non-linearities of the diversity-enhancing shortcut: the reference code's and the paper's."""


BETWEEN = {"mixed": (3, 5), "3x3": (3,), "5x5": (5,), "nothing": ()}
"""Kernels of the feed-forward network's convolutions, which share its channels evenly."""


@dataclass(frozen=True)
class Ablation:
    """Techniques of the paper (table 5) that a network goes without; the default is the whole network."""

    own_keys: bool = False
    """Keys have a projection of their own."""
    dense_embedding: bool = False
    """Patch embeddings are dense 3x3 convolutions."""
    between: str = "mixed"
    """Convolutions of the feed-forward network: one of `BETWEEN`."""
    no_parallel_path: bool = False
    """No convolution beside the attention."""
    no_extra_norm: bool = False
    """No Hardswish and BatchNorm around the attention's output projection."""
    sparse_fusion: bool = False
    """Fusions take in the neighbouring resolutions alone."""
    no_des: bool = False
    """No diversity-enhancing shortcut."""

    def validate(self) -> "Ablation":
        """Itself, if `between` is one of `BETWEEN`."""
        if self.between not in BETWEEN:
            raise UserError(f"ablation.between = {self.between!r}: expected one of {', '.join(BETWEEN)}")
        return self


@dataclass(frozen=True)
class Spec:
    """An HRViT backbone and the width of its SegFormer head (arXiv 2111.01236, table 2)."""

    stem: int
    """Channels after the stem's second convolution; even."""
    channels: tuple[int, ...]
    """Channels of branches 0 to 3."""
    blocks: tuple[tuple[int, ...], ...]
    """Transformer blocks: `blocks[module][branch]`."""
    head_dim: int
    """Attention head dimension asked for; `attention_dim` is the one used."""
    windows: tuple[int, ...]
    """Height of the horizontal (width of the vertical) strips per branch, in tokens."""
    ratios: tuple[int, ...]
    """MixCFN expansion per branch."""
    head_width: int
    """Width of the SegFormer head."""
    des_activation: str = "gelu"
    """Non-linearity of the diversity-enhancing shortcut."""
    ablation: Ablation = field(default=Ablation())
    """Techniques that the network goes without."""

    def attention_dim(self, branch: int) -> int:
        """Head dimension of `branch`: `min(C // (C // head_dim), C // 2)`."""
        channels = self.channels[branch]
        heads = max(channels // self.head_dim, 1)
        return max(min(channels // heads, channels // 2), 1)

    def des_shape(self, branch: int) -> tuple[int, int]:
        """`(k, p)` of the shortcut: a token is viewed as `[k, p]`, `p = 2^ceil(e / 2)`, `e = floor(log2 C)`, `k = C / p`."""
        channels = self.channels[branch]
        p = 1 << (channels.bit_length() // 2)
        return channels // p, p

    def validate(self) -> "Spec":
        """Itself, if every field fits the others."""

        def need(holds: bool, message: str) -> None:
            if not holds:
                raise UserError(message)

        need(2 <= self.stem <= 1024 and self.stem % 2 == 0, f"stem = {self.stem}: expected an even number of channels from 2 to 1024")
        for name in ("channels", "windows", "ratios"):
            need(len(getattr(self, name)) == BRANCHES, f"{name}: expected {BRANCHES} numbers, one per branch")
        widths = [len(counts) for counts in self.blocks]
        grows = all(b in (a, a + 1) for a, b in zip(widths, widths[1:]))
        need(
            1 <= len(widths) <= 8 and widths[0] == 1 and widths[-1] == BRANCHES and grows,
            f"blocks: expected 1 to 8 modules, the first with one branch, each next with as many or one more, the last with {BRANCHES}",
        )
        need(self.head_dim > 0, "head_dim: must not be zero")
        for branch, (channels, window, ratio) in enumerate(zip(self.channels, self.windows, self.ratios)):
            need(8 <= channels <= 1024 and channels % 4 == 0, f"channels[{branch}] = {channels}: expected a multiple of 4 from 8 to 1024")
            k, p = self.des_shape(branch)
            need(k * p == channels, f"channels[{branch}] = {channels}: the shortcut needs a multiple of {p}")
            need(window > 0, f"windows[{branch}]: must not be zero")
            need(1 <= ratio <= 8, f"ratios[{branch}] = {ratio}: expected 1 to 8")
            dim = self.attention_dim(branch)
            fits = channels // 2 % dim == 0
            need(fits, f"head_dim = {self.head_dim}: on branch {branch}, {channels // 2} channels are no multiple of the head dimension {dim}")
        need(1 <= self.head_width <= 4096, f"head_width = {self.head_width}: expected 1 to 4096")
        self.ablation.validate()
        need(self.des_activation in DES_ACTIVATIONS, f"des_activation = {self.des_activation!r}: expected one of {', '.join(DES_ACTIVATIONS)}")
        return self

    def to_dict(self) -> dict:
        """Plain lists and numbers, for TOML and JSON; no ablation where it is the whole network."""
        table = {name: _plain(value) for name, value in asdict(self).items()}
        if self.ablation == Ablation():
            del table["ablation"]
        return table

    @staticmethod
    def from_dict(table: dict, origin: str) -> "Spec":
        """The inverse of `to_dict`; `origin` is named in errors."""
        known = _known(Spec, table, origin)
        missing = [name for name in known if name not in table and name not in ("des_activation", "ablation")]
        if missing:
            raise UserError(f"{origin}: missing {', '.join(missing)}; `hrvit inspect --variant b1 --emit-spec` prints a complete file")
        for name, value in table.items():
            if not _has_type(value, known[name].type):
                raise UserError(f"{origin}: {name} = {value!r}: expected {known[name].type}")
        ablation = table.get("ablation", {})
        for name, key in _known(Ablation, ablation, f"{origin}: ablation").items():
            if name in ablation and not isinstance(ablation[name], key.type):
                raise UserError(f"{origin}: ablation.{name} = {ablation[name]!r}: expected {key.type}")
        try:
            return Spec(**{**{name: _frozen(value) for name, value in table.items()}, "ablation": Ablation(**ablation)}).validate()
        except UserError as error:
            raise UserError(f"{origin}: {error}") from None

    @staticmethod
    def read(path: Path) -> "Spec":
        """A TOML file as `hrvit inspect --emit-spec` prints it."""
        try:
            table = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise UserError(f"reading {path}: {error}") from None
        return Spec.from_dict(table, str(path))


def _known(kind: type, table: dict, origin: str) -> dict:
    """The fields of `kind` by name; a key of `table` that is none of them is an error."""
    known = {field.name: field for field in fields(kind)}
    for name in table:
        if name not in known:
            raise UserError(f"{origin}: unknown key {name!r}; expected {', '.join(known)}")
    return known


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _has_type(value, wanted) -> bool:
    if wanted is Ablation:
        return isinstance(value, dict)
    if wanted is str:
        return isinstance(value, str)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, list) and all(_has_type(item, wanted.__args__[0]) for item in value)


def _six_modules(middle: int, fifth: tuple[int, ...], sixth: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return ((1,), (1, 1), (1, 1, middle), (1, 1, middle), fifth, sixth)


_B3 = Spec(64, (64, 128, 256, 512), _six_modules(6, (1, 1, 6, 3), (1, 1, 6, 3)), 32, (1, 2, 7, 7), (2, 2, 2, 2), 768)

VARIANTS: dict[str, Spec] = {
    "nano": Spec(32, (16, 32, 64, 128), _six_modules(3, (1, 1, 3, 2), (1, 1, 1, 2)), 16, (1, 2, 7, 7), (4, 4, 4, 4), 64),
    "b1": Spec(64, (32, 64, 128, 256), _six_modules(6, (1, 1, 6, 2), (1, 1, 2, 2)), 32, (1, 2, 7, 7), (4, 4, 4, 4), 256),
    "b2": Spec(64, (48, 96, 240, 384), _six_modules(6, (1, 1, 6, 2), (1, 1, 6, 2)), 24, (1, 2, 7, 7), (2, 3, 3, 3), 256),
    "b3": _B3,
    "b3w9": Spec(**{**_B3.__dict__, "windows": (1, 2, 9, 9)}),
}
"""Built-in variants: `b1`, `b2`, `b3` of the paper, `b3w9` (its b3 for Cityscapes) and `nano`, microcontroller-sized."""


def check_size(height: int, width: int) -> tuple[int, int]:
    """An input size that the network takes."""
    for n in (height, width):
        if n % 32 or not 32 <= n <= 4096:
            raise UserError(f"size {height}x{width}: height and width must be multiples of 32 from 32 to 4096")
    return height, width
