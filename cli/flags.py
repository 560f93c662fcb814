"""From the arguments that the library names to the flags of the command line.

The library writes arguments in backticks, such as "`max_flops=0.5`"; what stands between others stays as it is.
"""

import re
from collections.abc import Iterator, Mapping

import click

from stamp_tf.notation import ARGUMENT, in_python
from stamp_tf.options.data import DatasetOptions
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.options.methods import RandomOptions, StampOptions
from stamp_tf.options.network import NetworkOptions
from stamp_tf.options.option import flag_of, options_of
from stamp_tf.options.outcome import OutcomeOptions
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.options.run import RunOptions
from stamp_tf.options.shrink import ShrinkConfig

RECORDS = (
    *(DatasetOptions, NetworkOptions, PruneConfig, FinetuneConfig, PretrainConfig),
    *(MetaTrainConfig, OutcomeOptions, RunOptions, ShrinkConfig),
)
"""Every list of options."""

# What no option of these lists is called, or something else where it says so.
_OTHERS = {
    **{"run": "RUN", "runs": "RUN", "start": "--from", "swap": "--swap"},
    **{"own:reference": "--model", "own:model": "--model", "set:flips=False": "--no-flip"},
    **{
        "export:path": "--to",
        "serve:model": "MODEL",
        "pictures": "PICTURES",
        "inspect:path": "--html",
        "compare:folder": "--output",
    },
}
# Options of a method or a layer that have a flag of their own.
_OF_METHODS = {
    name: f"--{said.flag}"
    for record in (StampOptions, RandomOptions)
    for name, said in options_of(record).items()
    if said.flag
}
_OWN = {f"options.{name}": name for name in _OF_METHODS} | {
    "backbone_options.width": "width",
    "backbone_options.pixels": "pixels",
}
_running: click.Command | None = None


def speak_for(command: click.Command | None) -> None:
    """Let messages name the flags of a command first: `epochs` is `--finetune-epochs` in one and `--epochs` elsewhere.

    Args:
        command: The one that runs; None for none.
    """
    global _running
    _running = command


def in_flags(text: str, *, own: Mapping[str, str] | None = None) -> str:
    """Return a text with flags in the place of arguments in backticks.

    Args:
        text: What the library says.
        own: Argument -> flag of the command that says it, as far as they are known before it runs.
    """
    flags = {**_usual_flags(), **_OTHERS, **(own or {}), **(dict(_flags_of(_running)) if _running else {})}

    def typed(match: re.Match[str]) -> str:
        name, key, value = match["name"], match["key"], match["value"]
        whole = f"{match['place']}:{name}" if match["place"] else name
        flag = _OTHERS.get(match[0][1:-1]) or _OTHERS.get(whole) or flags.get(name)
        if flag is None:
            return in_python(match[0])
        if key is not None and f"{name}.{key}" in _OWN:
            flag, key = flags[_OWN[f"{name}.{key}"]], None
        if key is not None:
            return f"{flag} {key}" + ("" if value is None else f"={value}")
        if value == "False":
            return flag.replace("--", "--no-", 1)
        return flag if value is None or value in _UNSAID else f"{flag} {value}"

    return ARGUMENT.sub(typed, text)


# Behind a flag that takes no value, and where the value is not told.
_UNSAID = ("True", "...")


def _usual_flags() -> dict[str, str]:
    return _OF_METHODS | {
        name: f"--{flag_of(name, option)}"
        for record in reversed(RECORDS)
        for name, option in options_of(record).items()
        if not option.is_only_python
    }


def _flags_of(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield what a command calls its options."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name is not None:
            yield parameter.name, parameter.opts[0]
