"""Which options of a run that is to go on differ from those it was started with, in words."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

# Field of a run's config.json -> its option, where that is no plain translation of the name.
_OPTIONS = {"start": "--from", "image_shape": "--image-size"}
_OPTIONS_OF = {"prune": {"epochs": "--finetune-epochs"}}
# Fields that hold settings of their own -> what those are typed after.
_INNER = {
    "backbone_options": "--backbone-option",
    "mask_generator_options": "--mask-generator-option",
    "set_encoder_options": "--set-encoder-option",
    "options": "--method-option",
}
# Settings that have an option of their own.
_OWN = {"width": "--width", "pixels": "--pixels", "epochs_prune": "--epochs-prune", "widths": "--widths"}
# No option of the command line sets these.
_PYTHON_ALONE = frozenset({"momentum", "augment", "evaluate", "inner_rates", "outer_rates", "command"})
_LONGEST = 60
# What older runs hold of options that are no more, where nothing else was asked for.
_RETIRED = {"inner": "adam", "fixed_weights": False}


def changed_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return one phrase for each option that differs, such as `--epochs was 20 and is 30`, in alphabetical order.

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
    """Yield every setting under the option that sets it."""
    options = _OPTIONS | _OPTIONS_OF.get(config.get("command", ""), {})
    for name, value in config.items():
        if name in _RETIRED and value == _RETIRED[name]:
            continue
        if name == "backbone" and isinstance(value, Mapping):
            # What tells a network from others, as `BackboneConfig.to_config` has it.
            yield "--backbone", value.get("name")
            yield "--image-size", value.get("input_shape")
            yield from _inner("--backbone-option", value.get("options") or {})
        elif name in _INNER and isinstance(value, Mapping):
            yield from _inner(_INNER[name], value)
        elif name == "flip":
            yield "--no-flip", not value
        elif name in _PYTHON_ALONE or name == "train_images":
            yield name, value
        else:
            yield options.get(name, f"--{name.replace('_', '-')}"), value


def _inner(option: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        yield _OWN.get(key, f"{option} {key}"), value


def _in_words(name: str, before: Any, now: Any) -> str:
    if name == "train_images":
        return f"--dataset had {before} training images and has {now}"
    if all(value is None or isinstance(value, bool) for value in (before, now)):
        return f"{name} was {_given(before)} and is {_given(now)}"
    then, given = (_value(name, value) for value in (before, now))
    # A name or path is short enough to be read, whatever its length; a nest of settings is not.
    if (
        any(isinstance(value, dict | list) for value in (before, now))
        and max(len(then), len(given)) > _LONGEST
    ):
        return f"{name} is another one now"
    return f"{name} was {then} and is {given}"


def _given(value: object) -> str:
    return "given" if value else "not given"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "not given"
    if name == "--image-size" and isinstance(value, list):
        return "x".join(str(size) for size in value[:2])
    if name == "--budgets" and isinstance(value, list):
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
