"""What programs read from the command line."""

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def listed(kind: Callable[[str], Value]) -> Callable[[str], tuple[Value, ...]]:
    """Return a type of arguments: values with commas between them.

    Args:
        kind: Makes one of its text.
    """
    return lambda text: tuple(kind(part) for part in text.split(","))
