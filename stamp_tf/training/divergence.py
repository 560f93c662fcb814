"""Stop a training loop at its first step that is not finite, without waiting for the device at every step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stamp_tf.errors import DivergenceError, NotFiniteError
from stamp_tf.finite import not_finite

_SECONDS_BETWEEN_LOOKS = 1.0
# The loss first: where it is not finite, the gradients cannot be.
_WATCHED = {
    "loss": "the loss was",
    "masked_loss": "the masked loss was",
    "gradient_norm": "the gradients had norm",
}


@dataclass(frozen=True, kw_only=True)
class StepPlace:
    """Where in a training a step lies.

    Args:
        step: Number of the step, from 1.
        num_steps: Number of all.
        rates: Learning rates by name, such as `learning rate`.
        epoch: Number of its epoch, from 1; None where there are no epochs.
    """

    step: int
    num_steps: int
    rates: Mapping[str, float]
    epoch: int | None = None

    def __str__(self) -> str:
        rates = [f"{name} {rate:.3g}" for name, rate in self.rates.items()]
        epoch = [] if self.epoch is None else [f"epoch {self.epoch}"]
        return f"step {self.step} of {self.num_steps} ({', '.join([*epoch, *rates])})"


class DivergenceWatch:
    """Looks at the figures of a training's steps: all of them when asked, the newest one once a second.

    To read a figure is to wait for the device. Weights that are no longer finite stay so, hence the newest step
    usually speaks for those before it; where it is not finite, and whenever an epoch ends, all are read and the
    first bad one is named, however late that was.

    Args:
        training: What goes on, as a message begins: `Fine-tuning`.
        remedy: What to change, as a message ends.
        state: Says where the last good state is, in a sentence; asked when it is needed.
        clock: Returns seconds; for tests.

    Example:
        >>> watch = DivergenceWatch("Training", remedy="take a smaller rate")
        >>> watch.see(StepPlace(1, 10, {"rate": 0.1}), {"loss": 2.3, "gradient_norm": 1.0})
        >>> watch.check()
    """

    def __init__(
        self,
        training: str,
        *,
        remedy: str,
        state: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._training, self._remedy, self._state, self._clock = training, remedy, state, clock
        self._unread: list[tuple[StepPlace, Mapping[str, Any]]] = []
        self._place: StepPlace | None = None
        self._last_look = clock()

    def see(self, place: StepPlace, figures: Mapping[str, Any]) -> None:
        """Take note of a step.

        Args:
            place: Where it lies.
            figures: Scalars by name, which may still be computed; `loss` and `gradient_norm` are watched.

        Raises:
            DivergenceError: If it was time to look, and this or an earlier step is not finite.
        """
        self._place = place
        self._unread.append((place, figures))
        if self._clock() - self._last_look >= _SECONDS_BETWEEN_LOOKS:
            self._last_look = self._clock()
            if _bad_figure(figures):
                self.check()

    def check(self, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Read all steps since the last check, and look at what training has made.

        Args:
            arrays: Values by name that must be finite as well, such as weights before they are saved.

        Raises:
            DivergenceError: At the first step that is not finite, or where an array is not.
        """
        for place, figures in self._unread:
            if words := _bad_figure(figures):
                raise self._error(f"{words} at {place}")
        self._unread.clear()
        if words := not_finite(arrays or {}):
            raise self._after(words)

    @contextmanager
    def blaming(self, what: str) -> Iterator[None]:
        """Let what is not finite in the block be the last step's doing.

        Args:
            what: What is looked at there, such as `the logits`.

        Raises:
            DivergenceError: If it is not finite.
        """
        try:
            yield
        except NotFiniteError as error:
            raise self._after(f"{what} are NaN or infinite") from error

    def _after(self, what: str) -> DivergenceError:
        return self._error(f"{what} after {self._place}" if self._place else what)

    def _error(self, what: str) -> DivergenceError:
        words = f"{self._training} must stay finite, but {what}; {self._remedy}. {self._state()}"
        return DivergenceError(words.strip())


def last_state_in_words(run_dir: Path, num_done: int, *, unit: str = "epoch") -> str:
    """Say in a sentence where a run's last good state is, and why going on from it does not help.

    Args:
        run_dir: The run's folder.
        num_done: Epochs or steps of that state; 0 for none.
        unit: What is counted.
    """
    where = (
        f"The state of {unit} {num_done} is in {run_dir}" if num_done else f"{run_dir} holds no {unit} yet"
    )
    return f"{where}; `resume=True` would come to the same step again, so start anew with `overwrite=True`."


def _bad_figure(figures: Mapping[str, Any]) -> str:
    """Say which watched figure is not finite; empty if all are."""
    for name, words in _WATCHED.items():
        if name in figures and not math.isfinite(value := float(figures[name])):
            return f"{words} {value:g}"
    return ""
