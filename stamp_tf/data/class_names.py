"""What a class may be called, which names are one and the same, and how names go into a message."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from stamp_tf.errors import StampError
from stamp_tf.printable import printable

_MOST_NAMED = 5
_MOST_LETTERS = 40


def canonical(name: str) -> str:
    """Return the form of a name in which the same letters are the same characters, whatever file system wrote it.

    Args:
        name: Of a class.
    """
    return unicodedata.normalize("NFC", name)


def gist(name: str) -> str:
    """Return what is left of a name without case, blanks, punctuation and leading zeros; empty if nothing is.

    Args:
        name: Of a class.
    """
    letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
    return (letters.lstrip("0") or "0") if letters.isdecimal() else letters


def are_numbers(names: Iterable[str]) -> bool:
    """Tell whether classes are only numbered: a number says nothing of what its class shows.

    Args:
        names: Of all classes.
    """
    return all(name.isdecimal() for name in names)


def listed(names: Sequence[str]) -> str:
    """Return names as part of a sentence, the first few of them, each of bearable length.

    Args:
        names: At least one.
    """
    shown = [f"'{name if len(name) <= _MOST_LETTERS else name[:_MOST_LETTERS] + '...'}'" for name in names]
    if len(shown) <= _MOST_NAMED:
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{', '.join(shown[:_MOST_NAMED])} and {len(shown) - _MOST_NAMED} more"


def check_class_names(names: Sequence[str], where: str) -> None:
    """Refuse names that cannot be shown or told apart.

    Args:
        names: One per class.
        where: What to call the data set in the message.

    Raises:
        StampError: If a name is empty, holds control characters, or occurs twice, be it in two Unicode forms.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip() or printable(name) != name:
            raise StampError(
                f"{where} must have class names of printable characters, but one is '{printable(name)}'; rename it."
            )
        if (other := seen.setdefault(canonical(name), name)) != name:
            raise StampError(
                f"{where} must have different class names, but {listed([other])} is there in two Unicode forms, which "
                "look the same; rename or join the classes."
            )
    if len(seen) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise StampError(f"{where} must have different class names, but '{twice}' occurs twice; rename one.")


def some_names(names: Iterable[str], *, most: int = _MOST_NAMED) -> str:
    """List names in quotes, in alphabetical order, the first few of many.

    Args:
        names: At least one.
        most: How many are listed.
    """
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(f"'{name}'" for name in ordered[:most]) + more
