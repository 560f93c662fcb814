"""From the arguments that the library names to the flags of the command line.

The library writes arguments in backticks, such as "`max_flops=0.5`"; what stands between others stays as it is.
"""

import re
from collections.abc import Iterator

import click

from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.option import flag_of, options_of
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.options.prune import MethodOptions, PruneConfig
from stamp_tf.options.run import RunOptions

RECORDS = (
    *(DatasetOptions, NetworkOptions, PruneConfig, MethodOptions, FinetuneConfig, PretrainConfig),
    *(MetaTrainConfig, OutcomeOptions, RunOptions),
)
"""Every list of options."""

_ARGUMENT = re.compile(
    r"`(?P<name>[a-z]\w*)(?:\[\"(?P<key>\w+)\"\]|=\{\"(?P<field>\w+)\": (?P<set>[^`{}]*)\}|=(?P<value>[^`]*))?`"
)


def in_flags(text: str, *, command: click.Command | None = None) -> str:
    """Return a text with flags in the place of arguments in backticks.

    Args:
        text: What the library says.
        command: The command that runs, whose flags come first; None knows what most commands call an argument.
    """
    flags = {**_usual_flags(), **(dict(_flags_of(command)) if command else {})}

    def typed(match: re.Match[str]) -> str:
        name, key, value = match["name"], match["key"] or match["field"], match["value"]
        if key is not None and key in _OWN:
            flag = flags[key]
            return flag if match["set"] is None else f"{flag} {_typed(match['set'])}"
        if name not in flags:
            return match[0][1:-1]
        flag = flags[name]
        if key is not None:
            return f"{flag} {key}" + ("" if match["set"] is None else f"={_typed(match['set'])}")
        return flag if value in (None, "True") else f"{flag} {_typed(value)}"

    return _ARGUMENT.sub(typed, text)


# Keys of the options of a pruner that have a flag of their own.
_OWN = frozenset(options_of(MethodOptions))


def _usual_flags() -> dict[str, str]:
    return {
        name: f"--{flag_of(name, option)}"
        for record in reversed(RECORDS)
        for name, option in options_of(record).items()
        if not option.is_only_python
    }


def _flags_of(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield what a command calls its arguments."""
    for parameter in command.params:
        if parameter.name is not None:
            is_flag = isinstance(parameter, click.Option)
            yield parameter.name, parameter.opts[0] if is_flag else parameter.human_readable_name


def _typed(value: str) -> str:
    """Return a value of Python as it is typed."""
    if pair := re.fullmatch(r"\(([^,()]+), ([^,()]+)\)", value):
        return f"{pair[1]}:{pair[2]}"
    return value[1:-1] if re.fullmatch(r'"[^"]*"', value) else value
