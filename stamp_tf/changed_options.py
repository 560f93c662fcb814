"""Which options of a run that is to go on differ from those it was started with, in words."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

# Fields that hold settings of their own.
_INNER = ("backbone_options", "mask_generator_options", "set_encoder_options", "options")
# Fields that are called otherwise where they are given.
_ARGUMENTS = {"from": "reference"}
# No option of the command line sets these.
_PYTHON_ALONE = frozenset({"momentum", "evaluate", "inner_rates", "outer_rates", "command"})
_LONGEST = 60
# What runs of another version do not hold, or hold of options that are no more, where nothing else was asked for.
_UNASKED = {
    "inner": "adam",
    "fixed_weights": False,
    "baseline": False,
    "class_weights": "none",
    "val_split": None,
    "keep_epoch": None,
    "patience": None,
    "distill": 0.0,
    "distill_temperature": 4.0,
    "batch_norm": "batch",
}


def changed_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return one phrase for each option that differs, such as "`epochs` was 20 and is 30", in alphabetical order.

    Args:
        before: What a run's config.json holds.
        now: The same of the command that is to go on with it.
    """
    then, given = dict(_settings(before)), dict(_settings(now))
    return sorted(
        _in_words(name, then.get(name), given.get(name))
        for name in {*then, *given}
        if not _is_same(then.get(name), given.get(name))
    )


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every setting under the argument that sets it."""
    for name, value in config.items():
        if name in _UNASKED and value == _UNASKED[name]:
            continue
        if name == "backbone" and isinstance(value, Mapping):
            # What tells a network from others, as `BackboneConfig.to_config` has it.
            yield "backbone", value.get("name")
            yield "image_shape", value.get("input_shape")
            yield from _inner("backbone_options", value.get("options") or {})
        elif name == "sweep" and isinstance(value, Mapping):
            yield from ((field, values) for field, values in value.items() if field != "runs")
        elif name in _INNER and isinstance(value, Mapping):
            yield from _inner(name, value)
        elif name == "augment":
            # It was a matter of yes or no once, and pretraining had no such option.
            if (kind := {True: "standard", False: "none"}.get(value, value)) != "standard":
                yield name, kind
        elif name == "flip":
            yield "set:flips=False", not value
        else:
            yield _ARGUMENTS.get(name, name), value


def _inner(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        yield f"{name}.{key}", value


def _in_words(name: str, before: Any, now: Any) -> str:
    if name == "train_images":
        return f"`dataset` had {before} training images and has {now}"
    called = name if name in _PYTHON_ALONE else f"`{name}`"
    if all(value is None or isinstance(value, bool) for value in (before, now)):
        # Where nothing and False differ, False is what was given.
        told = "=" in name or True in (before, now)
        if name not in _PYTHON_ALONE and "=" not in name:
            called = f"`{name}={told}`"
        return f"{called} was {_given(before is told)} and is {_given(now is told)}"
    then, given = (_value(name, value) for value in (before, now))
    # A name or path is short enough to be read, whatever its length; a nest of settings is not.
    if (
        any(isinstance(value, dict | list) for value in (before, now))
        and max(len(then), len(given)) > _LONGEST
    ):
        return f"{called} is another one now"
    return f"{called} was {then} and is {given}"


def _given(value: object) -> str:
    return "given" if value else "not given"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "not given"
    if name == "image_shape" and isinstance(value, list):
        return "x".join(str(size) for size in value[:2])
    if name == "budgets" and isinstance(value, list):
        return ":".join(f"{bound:g}" for bound in value)
    return repr(value)


def _is_same(before: object, now: object) -> bool:
    """Compare two values of an option; paths are the same where they lead to one place, by whatever links."""
    if not (isinstance(before, str) and isinstance(now, str)):
        return before == now
    return _without_links(before) == _without_links(now)


def _without_links(text: str) -> str:
    """Resolve an absolute path, which may stand behind the name of a source and a colon."""
    source, colon, path = text.rpartition(":")
    return source + colon + os.path.realpath(path) if os.path.isabs(path) else text
