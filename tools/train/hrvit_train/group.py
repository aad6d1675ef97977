"""The processes that train one network together, under `torchrun`; one process alone is a group of one.

A global batch is split evenly: process `rank` has the frames `rank * share ..` of it. All processes draw the same random numbers for the whole batch
and use those of their share. A run therefore depends on its recipe alone, not on how many processes take part.
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

from hrvit_train.errors import UserError


@dataclass(frozen=True)
class Group:
    """This process's place among `size` processes."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and lines; exactly one does."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The part of a batch of `batch` that is this process's."""
        if batch % self.size:
            raise UserError(f"batch = {batch}: does not divide among {self.size} processes; give --batch a multiple of {self.size}")
        part = batch // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def every(self, count: int) -> range:
        """This process's indices of `count`, which all processes have together once."""
        return range(self.rank, count, self.size)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place; no gradient."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def clock(self, seconds: float, device: torch.device) -> float:
        """The first process's value, so that all stop and decay alike."""
        if self.size == 1:
            return seconds
        value = torch.tensor(seconds, dtype=torch.float64, device=device)
        dist.broadcast(value, 0)
        return value.item()

    def rand(self, count: int, device: torch.device) -> torch.Tensor:
        """`count` random numbers in [0, 1), from those that the whole batch draws."""
        return torch.rand(count * self.size, device=device)[self.rank * count : (self.rank + 1) * count]


ALONE = Group()
"""One process."""


def current() -> Group:
    """The group that `join` entered, or one process alone."""
    return Group(dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else ALONE


def join(device: str) -> tuple[Group, torch.device]:
    """Enters the group that `torchrun` describes in the environment, if any: NCCL on GPUs, one for each process of a machine, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE, torch.device(device)
    if torch.device(device).type == "cuda":
        local, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= count:
            raise UserError(f"process {local} of this machine has no GPU: there are {count}; start torchrun with --nproc-per-node {count}")
        torch.cuda.set_device(local)
        device = f"cuda:{local}"
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return current(), torch.device(device)


def leave() -> None:
    """Leaves the group, once all have come this far."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
