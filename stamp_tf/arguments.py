"""What comes from Python or a command line as an argument: of its type, and text that can name a place."""

from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.options.fields import NONE_FITS, fit, in_words, received

# What every system of today takes; a longer name or path cannot be there.
_LONGEST_NAME = 255
_LONGEST_PATH = 4095


def check_arguments(**arguments: tuple[Any, Any]) -> None:
    """Refuse arguments of another type than annotated.

    Args:
        **arguments: Name -> (value, type), such as `resume=(resume, bool)`.

    Raises:
        StampError: If one has another type; it names it.
    """
    for name, (value, hint) in arguments.items():
        if fit(value, hint) is NONE_FITS:
            raise StampError(f"{name} must be {in_words(hint)}, but is {received(value)}; {_remedy(hint)}.")


def as_path(value: Any, argument: str) -> Path:
    """Return a path that came from Python.

    Args:
        value: What was given.
        argument: Its name.

    Raises:
        StampError: If it names no place.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise StampError(
            f"{argument} must be a path, but is {received(value)}; write for example 'runs/mine'."
        )
    if (fault := fault_of_path(os.fspath(value))) is not None:
        reason, remedy = fault
        raise StampError(f"{argument} must be a path, but is {received(value)}, which {reason}; {remedy}.")
    return Path(value)


def check_text(text: str, argument: str) -> None:
    """Refuse text that names something, such as a data set, and may hold a path, where it cannot.

    Args:
        text: What was given.
        argument: Its name.

    Raises:
        StampError: If no file or set can have such a name.
    """
    if text and (fault := fault_of_path(text)) is not None:
        reason, remedy = fault
        raise StampError(f"{argument} must be a name, but is {received(text)}, which {reason}; {remedy}.")


def fault_of_path(text: str) -> tuple[str, str] | None:
    """Return why no file can have a path, and what to do; None where one can.

    Args:
        text: The path.
    """
    if not text.strip():
        return "is empty", "write '.' for this folder"
    if "\0" in text:
        return "holds a NUL character", "leave it out"
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return "is no text in UTF-8", "rename it"
    longest = max(map(len, encoded.split(b"/")))
    if longest > _LONGEST_NAME:
        return f"has a name of {longest:,} bytes", f"choose one of at most {_LONGEST_NAME}"
    if len(encoded) > _LONGEST_PATH:
        return f"has {len(encoded):,} bytes", f"choose one of at most {_LONGEST_PATH:,}"
    return None


def _remedy(hint: Any) -> str:
    if hint is bool:
        return "write True or False"
    return "leave it out for the default" if type(None) in typing.get_args(hint) else "give one"
