"""Progress of long work: a bar on a terminal, elsewhere a line now and then."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from stamp_cli.terminal import make_console, say
from stamp_tf.on_step import OnStep
from stamp_tf.printable import printable

if TYPE_CHECKING:
    from stamp_cli.tensorboard import TensorBoard


_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_WORDS = 0.1
# The speed is that of the last half minute, so that it forgets how long the first step took to compile.
_WINDOW = 30.0
_HIDDEN = frozenset({"images", "step", "seconds", "gradient_norm"})
_FRACTIONS = frozenset({"accuracy", "masked_accuracy", "keep_ratio"})
_ACCURACY_OF = "accuracy of "
_SHORT = {"keep_ratio": "kept"}


class Progress:
    """Shows phases of steps: how many are done, images/s, losses, mean keep ratio, time left.

    Args:
        tensorboard: Where every step's figures go as well.
        clock: Returns seconds; for tests.
    """

    def __init__(
        self, tensorboard: "TensorBoard | None" = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from rich import progress

        self._tensorboard = tensorboard
        self._clock = clock
        console = make_console(to_stderr=True)
        self._is_terminal = console.is_terminal
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", style="bold", markup=False),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[words]}", markup=False),
            console=console,
            transient=True,
        )
        self._phase: str | None = None
        self._task: progress.TaskID | None = None
        self._history: deque[tuple[float, int, float]] = deque()
        self._num_images = 0.0
        self._last_line = clock()
        self._last_words = -math.inf

    def __enter__(self) -> "Progress":
        if self._is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal:
            self._bar.stop()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def of(self, phase: str) -> OnStep:
        """Return the callback of one phase, which takes (steps done, all steps, figures)."""
        return partial(self, phase)

    def __call__(self, phase: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Show a step.

        Args:
            phase: What is going on, in a word or two.
            done: Steps done.
            total: All steps.
            figures: By name; `images` counts the images of this step.
        """
        if phase != self._phase:
            self._start(phase, total)
        self._num_images += figures.get("images", 0.0)
        now = self._clock()
        self._history.append((now, done, self._num_images))
        while now - self._history[0][0] > _WINDOW and len(self._history) > 2:
            self._history.popleft()
        if self._tensorboard is not None:
            self._tensorboard.write(phase, done, figures)
        if self._is_terminal:
            assert self._task is not None
            self._bar.update(self._task, completed=done)
            # To read figures is to wait for the device; more often than eyes can follow would only slow the steps.
            if done == total or now - self._last_words >= _SECONDS_BETWEEN_WORDS:
                self._last_words = now
                self._bar.update(self._task, words=self._words(done, total, figures))
        elif done == total or now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            parts = [f"{done} of {total}", self._words(done, total, figures)]
            say(f"{phase}: {', '.join(filter(None, parts))}", to_stderr=True)

    def _start(self, phase: str, total: int) -> None:
        self._phase = phase
        self._history.clear()
        self._num_images = 0.0
        self._last_words = -math.inf
        if self._is_terminal:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(printable(phase), total=total, words="")

    def _words(self, done: int, total: int, figures: Mapping[str, float]) -> str:
        words = [_figure(name, value) for name, value in figures.items() if name not in _HIDDEN]
        (first, first_done, first_images), (last, _, images) = self._history[0], self._history[-1]
        if last > first and done > first_done:
            if images:
                words.insert(0, f"{(images - first_images) / (last - first):,.0f} images/s")
            if done < total:
                words.append(f"{_duration((total - done) * (last - first) / (done - first_done))} left")
        return ", ".join(words)


def _figure(name: str, value: float) -> str:
    is_fraction = name in _FRACTIONS or name.startswith(_ACCURACY_OF)
    number = f"{100 * value:.0f} %" if is_fraction else f"{value:.3g}"
    return f"{printable(_SHORT.get(name, name)).replace('_', ' ')} {number}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
