"""How messages name arguments: in backticks, for the command line to turn into flags and Python to show without.

A message of the library says "`max_flops=0.5` is too low", values as they would be typed; somebody who calls it from
Python reads `max_flops=0.5`, whoever typed a command `--max-flops 0.5`. What may stand between backticks:

- `name` and `name=value`: an argument. `resume=True` where the flag takes no value.
- `options.key` and `options.key=value`: one of the options of a method or a layer, which Python takes as a dictionary.
- `load:download=True`: what `stamp_tf.load_dataset` takes where the data set is loaded, and `network:download=True`
  what `stamp_tf.load_network` takes.
- `export:path`: an argument whose name says too little; what stands before the colon tells the command line which one.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ARGUMENT = re.compile(r"`(?:(?P<place>[a-z]+):)?(?P<name>[a-z]\w*)(?:\.(?P<key>\w+))?(?:=(?P<value>[^`]*))?`")
"""An argument in a message."""

# What a function that takes a data set or a network by its name cannot do: it is loaded first.
_TO_LOAD = re.compile(r"\b(?P<verb>add|give|with) `(?P<place>load|network):(?P<argument>[^`]*)`")
_LOADERS = {"load": "load_dataset", "network": "load_network"}
_PHRASES = {"`set:flips=False`": "a data set with flips=False", "`own:model`": "a keras.Model as reference"}


def in_python(message: str) -> str:
    """Return a message as somebody who calls the library reads it.

    Args:
        message: With arguments in backticks.
    """

    def call(match: re.Match[str]) -> str:
        verb = "with" if match["verb"] == "with" else "load it with"
        return f"{verb} stamp_tf.{_LOADERS[match['place']]}(..., {match['argument']})"

    def written(match: re.Match[str]) -> str:
        name, key, value = match["name"], match["key"], match["value"]
        if match[0] in _PHRASES:
            return _PHRASES[match[0]]
        if key is not None:
            return f'{name}["{key}"]' if value is None else f'{name}={{"{key}": {_literal(value)}}}'
        return name if value is None else f"{name}={_literal(value)}"

    return ARGUMENT.sub(written, _TO_LOAD.sub(call, message))


_says: Callable[[str], str] = in_python


@contextmanager
def speaking(translate: Callable[[str], str]) -> Iterator[None]:
    """Let messages be said in other words inside, as the command line does.

    Args:
        translate: Returns a message with arguments in backticks in those words.
    """
    global _says
    before, _says = _says, translate
    try:
        yield
    finally:
        _says = before


def in_words_of_the_caller(message: str) -> str:
    """Return a message in the words of whoever called: Python's, or those of the command line.

    Args:
        message: With arguments in backticks.
    """
    return _says(message)


def _literal(value: str) -> str:
    """Return a value that was typed as Python has it."""
    if value in ("True", "False", "...") or re.fullmatch(r"['\[].*|[0-9.]+(e-?[0-9]+)?", value):
        return value
    low, colon, high = value.partition(":")
    if colon and all(re.fullmatch(r"[0-9.]+", part) for part in (low, high)):
        return f"({low}, {high})"
    return f'"{value}"'
