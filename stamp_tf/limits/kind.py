"""What a kind of limit on cost has to know: how it is called, typed, measured and shown."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from stamp_tf.errors import StampError

if TYPE_CHECKING:  # the command line asks for help without loading NumPy
    import numpy as np

    from stamp_tf.channel_mask import ChannelMask


class Costs(Protocol):
    """What is counted of a network and its masks; `stamp_tf.channels.CostModel` is one."""

    full_activation_bytes: int

    def exact_fractions(self, mask: ChannelMask) -> np.ndarray:
        """Return (parameters, FLOPs) of a mask `[C]` as fractions of the full network."""

    def activation_bytes(self, mask: ChannelMask) -> int:
        """Return the bytes that the layers left by a mask `[C]` write for one image."""


class Measured(Protocol):
    """What is measured of a network; `stamp_tf.measure.timing.Timing` is one."""

    @property
    def seconds(self) -> float:
        """Median of an inference step."""


@dataclass(frozen=True)
class LimitKind(ABC):
    """A kind of limit. A class derives from `CountedKind` or `TimedKind`; the list of `kinds.py` holds one of each.

    Attributes:
        name: The argument in Python and the key in JSON, such as `max_flops`; see `argument`.
        quantity: What is limited, as tables and messages name it.
        help: What the command line says of it.
        metavar: What is typed behind the flag.
        rule: What a value must be, in words.
        example: A value and what it means.
        unit: Of the number that Python takes.
    """

    name: ClassVar[str]
    quantity: ClassVar[str]
    help: ClassVar[str]
    metavar: ClassVar[str]
    rule: ClassVar[str]
    example: ClassVar[str]
    unit: ClassVar[str] = ""

    @property
    def argument(self) -> str:
        """The argument in a message."""
        return f"`{self.name}`"

    def is_in_range(self, value: float) -> bool:
        """Return whether a number can be such a limit."""
        return 0 < value < math.inf

    @abstractmethod
    def parse(self, text: str) -> float:
        """Return the number that was typed.

        Raises:
            ValueError: If it is none; it shows the text and says what would be one.
        """

    @abstractmethod
    def as_typed(self, value: float) -> str:
        """Return a limit as it would be typed."""

    def in_words(self, value: float) -> str:
        """Return a limit as people read it, behind the quantity."""
        return self.as_typed(value)

    def in_report(self, value: float) -> float | str:
        """Return a limit as `report.json` has it."""
        return self.in_words(value)

    def check(self, value: float) -> None:
        """Refuse a number that cannot be such a limit.

        Raises:
            StampError: If it is out of its range.
        """
        if not self.is_in_range(value):
            raise StampError(
                f"{self.argument} must be {self.rule}, but got {value:g}{self.unit}; {self.example}."
            )


class CountedKind(LimitKind):
    """A limit on what is counted of a mask, and never falls as channels come in: a cut meets it exactly.

    Attributes:
        needs_image_size: Whether nothing can be counted where images may have any size.
    """

    needs_image_size: ClassVar[bool] = True

    @abstractmethod
    def measure(self, cost: Costs, mask: ChannelMask, value: float) -> float:
        """Return what a mask leaves.

        Args:
            cost: Of the full network.
            mask: Which channels stay, `[C]`.
            value: The limit that it will be compared with, where that decides the unit.
        """

    @abstractmethod
    def enough(self, cost: Costs, mask: ChannelMask) -> str:
        """Return the limit that a mask `[C]` just meets, as it would be typed, rounded up."""


class TimedKind(LimitKind):
    """A limit on what is measured of a built network on this device."""

    @abstractmethod
    def measure(self, timing: Measured) -> float:
        """Return what was measured, in the unit of the limit."""

    @abstractmethod
    def enough(self, timing: Measured) -> str:
        """Return the limit that a network just meets, as it would be typed, rounded up."""


def typed_number(text: Any) -> float:
    """Return a number that was typed; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
