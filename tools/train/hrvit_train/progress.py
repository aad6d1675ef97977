"""A line now and then that says how a run is going."""

import time


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """Prints a line at most every `interval` seconds: iterations per second and loss since the last line, rate, time left."""

    def __init__(self, interval: float = 10.0):
        self.interval = interval
        self.said, self.count, self.loss = time.monotonic(), 0, 0.0

    def due(self) -> bool:
        """Whether the next `step` may print; only then must the loss be known."""
        return time.monotonic() - self.said >= self.interval

    def step(self, iteration: int, total: int, loss, lr: float, left: float | None) -> None:
        """After an iteration. `total` is 0 and `left` (seconds) known if the clock ends the run; `loss` is a tensor or a number."""
        self.count += 1
        self.loss = self.loss + loss
        if not self.due():
            return
        now = time.monotonic()
        rate = self.count / (now - self.said)
        remaining = (total - iteration) / rate if total else left
        of = f"{iteration}/{total}" if total else str(iteration)
        print(f"it {of}  {rate:.2f} it/s  loss {float(self.loss) / self.count:.4f}  lr {lr:.2e}  left {clock(remaining)}", flush=True)
        self.said, self.count, self.loss = now, 0, 0.0
