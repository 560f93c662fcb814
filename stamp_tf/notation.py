"""One message, two doors: the command line names options, Python names arguments.

Messages are written with options as they are typed (`--max-flops 0.5`), because an option cannot be mistaken for
a word of the sentence. The command line shows them so; everybody else reads arguments (`max_flops=0.5`).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# What is called otherwise in Python than its option's dashes suggest.
_ARGUMENTS = {
    "from": "reference",
    "model": "reference",
    "image-size": "image_shape",
    "finetune-epochs": "epochs",
    "epochs-prune": 'options["epochs_prune"]',
    "widths": 'options["widths"]',
    "html": "path",
    "to": "path",
    "output": "folder",
}
# Functions that take a data set by its name leave these to the one that loads it.
_LOADING = {
    "train-size": "train_size=...",
    "data-dir": "data_dir=...",
    "download": "download=True",
    "skip-corrupt": "skip_corrupt=True",
}
_FLAGS = frozenset(
    [
        "resume",
        "overwrite",
        "structure-only",
        "mixed-precision",
        "xla",
        "download",
        "skip-corrupt",
        "swap",
    ]
)
# Followed by a name of the user's, which may hold anything, or naming a set of fields.
_BARE = frozenset({"dataset", "run-dir", "html", "output", "from", "model", *_ARGUMENTS}) - {"image-size"}
# What may follow an option in a sentence without being its value.
_WORDS = re.compile(
    "above|alone|and|are|asks|at|be|besides|but|cannot|does|fixes|for|from|gave|had|has|have|is|leave|must|needs?|of|only|"
    "or|out|so|stands|takes|than|that|to|was|which|with|without"
)
_OPTION = re.compile(
    r"(?<![\w'\"/.-])--(?P<name>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?![\w/-])(?P<value> (?:'[^']*'|[\w*/.:=-]*\w))?"
)
_TO_LOAD = re.compile(rf"\b(?P<verb>add|give|with) --(?P<name>{'|'.join(_LOADING)})(?![\w-])")
_ARGUMENT_OF_THE_COMMAND = re.compile(r"^(?:(?:Each|Every) )?RUN\b")
# A field of the options of a method or a layer, by its own name.
_FIELD_OPTIONS = {
    "method-option": "options",
    "backbone-option": "backbone_options",
    "set-encoder-option": "set_encoder_options",
    "mask-generator-option": "mask_generator_options",
}

_speaks_options = False


@contextmanager
def as_typed() -> Iterator[None]:
    """Let messages name options inside, as the command line does."""
    global _speaks_options
    before, _speaks_options = _speaks_options, True
    try:
        yield
    finally:
        _speaks_options = before


def in_words_of_the_caller(message: str, arguments: Mapping[str, str]) -> str:
    """Return a message with options, or with arguments in their place.

    Args:
        message: It names options.
        arguments: Option without dashes -> what it is called in Python, where that differs from the usual.
    """
    return message if _speaks_options else in_python(message, arguments)


def in_python(message: str, arguments: Mapping[str, str] | None = None) -> str:
    """Return a message with arguments in the place of options.

    Args:
        message: It names options.
        arguments: As in `in_words_of_the_caller`.
    """
    names = {**_ARGUMENTS, **(arguments or {})}

    def replaced(match: re.Match[str]) -> str:
        option, value = match["name"], (match["value"] or "").strip()
        is_value = bool(value) and not _WORDS.fullmatch(value)
        behind = match["value"] or ""
        if option in _FIELD_OPTIONS:
            return _field(_FIELD_OPTIONS[option], value) if is_value else _FIELD_OPTIONS[option] + behind
        name = names.get(option, option.replace("-", "_"))
        if option in _FLAGS:
            return f"{name}=True{behind}"
        if is_value and option not in _BARE:
            return f"{name}={_literal(value)}"
        return name + behind

    # What was an option to add is a function to call.
    message = _TO_LOAD.sub(lambda match: f"{_call(match['verb'])}(..., {_LOADING[match['name']]})", message)
    return _OPTION.sub(
        replaced,
        _ARGUMENT_OF_THE_COMMAND.sub(lambda match: match[0].replace("RUN", names.get("RUN", "run")), message),
    )


def _call(verb: str) -> str:
    return "with stamp_tf.load_dataset" if verb == "with" else "load it with stamp_tf.load_dataset"


def _field(mapping: str, value: str) -> str:
    key, equals, set_to = value.partition("=")
    return f'{mapping}={{"{key}": {_literal(set_to)}}}' if equals else f'{mapping}["{key}"]'


def _literal(value: str) -> str:
    if value.startswith("'") or re.fullmatch(r"[0-9.]+(e-?[0-9]+)?", value):
        return value
    low, colon, high = value.partition(":")
    if colon and all(re.fullmatch(r"[0-9.]+", part) for part in (low, high)):
        return f"({low}, {high})"
    return f'"{value}"'
