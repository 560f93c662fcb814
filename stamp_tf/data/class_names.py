"""What a class may be called: names reach terminals, reports and exported files."""

import unicodedata
from collections.abc import Iterable

from stamp_tf.errors import StampError

UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, halves of undecodable ones, line and paragraph separators."""
REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of the text around them."""


def check_class_names(names: tuple[str, ...], where: str) -> None:
    """Refuse names that cannot be shown or told apart.

    Args:
        names: One per class.
        where: What to call the data set in the message.

    Raises:
        StampError: If a name is empty, holds control characters, or occurs twice.
    """
    seen: set[str] = set()
    for name in names:
        if not name.strip() or any(
            unicodedata.category(letter) in UNPRINTABLE or letter in REVERSING for letter in name
        ):
            raise StampError(
                f"{where} must have class names of printable characters, but one is {name!a}; rename the class."
            )
        if name in seen:
            raise StampError(
                f"{where} must have different class names, but '{name}' occurs twice; rename one."
            )
        seen.add(name)


def some_names(names: Iterable[str], *, most: int = 5) -> str:
    """List names in quotes, in alphabetical order, the first few of many.

    Args:
        names: At least one.
        most: How many are listed.
    """
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(f"'{name}'" for name in ordered[:most]) + more
