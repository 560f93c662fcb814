"""Cells of tables for the terminal."""

from rich.text import Text

from stamp_tf.printable import printable


def name_cell(name: str, *, above: str = "", below: str = "") -> Text:
    """Return a name as it is: no markup, though rich would read square brackets so, and no control characters.

    Args:
        name: Of a file, a class, a layer or a run.
        above: Words of our own on the line above it.
        below: The same for the line below.
    """
    return Text("\n".join(filter(None, (above, printable(name), below))))
