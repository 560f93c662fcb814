"""What pruning finds out that several limits and methods share, so that it is found out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

Value = TypeVar("Value")


class Kept:
    """Results by name, of one reference, one set of images and one seed.

    Whoever makes one must not let the limits decide it, nor the options of a method that the name does not say.
    """

    def __init__(self) -> None:
        self._values: dict[object, object] = {}

    def get(self, name: object, make: Callable[[], Value]) -> Value:
        """Return a result; it is made when it is first asked for.

        Args:
            name: What it is, and all that decides it.
            make: Makes it.
        """
        if name not in self._values:
            self._values[name] = make()
        return cast(Value, self._values[name])

    def part(self, name: str) -> Kept:
        """Return what is kept for a part of the images.

        Args:
            name: Which, such as `held out`.
        """
        return self.get(("part", name), Kept)
