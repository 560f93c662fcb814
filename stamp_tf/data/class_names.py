"""What a class may be called: names reach terminals, reports and exported files."""

from collections.abc import Iterable

from stamp_tf.errors import StampError
from stamp_tf.printable import printable


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
        if not name.strip() or printable(name) != name:
            raise StampError(
                f"{where} must have class names of printable characters, but one is '{printable(name)}'; rename it."
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
