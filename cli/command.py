"""A command that takes no option twice and none that would do nothing."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from stamp_tf.errors import StampError

Values = Mapping[str, Any]
Reason = tuple[str, str, str]
_STARTED = "stamp_cli.started"
_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@dataclass(frozen=True)
class Idle:
    """Options that do nothing beside some values of others.

    Args:
        options: Names of the parameters.
        reason: Returns what they need, what was found instead and the remedy, in words, or None where they do
            something.
    """

    options: tuple[str, ...]
    reason: Callable[[Values], Reason | None]


class Command(click.Command):
    """A command that says so instead of passing over what was typed.

    Args:
        idle: What would do nothing.
    """

    def __init__(self, *arguments: Any, idle: Sequence[Idle] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._idle = tuple(idle)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            self._check_once(ctx, list(args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[_STARTED] = time.perf_counter()
        for idle in self._idle:
            typed = [name for name in idle.options if ctx.get_parameter_source(name) in _GIVEN]
            if typed and (reason := idle.reason(ctx.params)) is not None:
                option, (needs, found, remedy) = self._as_typed(ctx, typed[0]), reason
                raise StampError(f"{option} needs {needs}, but {found}; {remedy}, or leave {option} out.")
        return super().invoke(ctx)

    def _check_once(self, ctx: click.Context, args: list[str]) -> None:
        """Refuse an option that comes twice, of which click would drop the first."""
        _, _, order = self.make_parser(ctx).parse_args(args)
        for parameter, times in Counter(order).items():
            if (
                isinstance(parameter, click.Option)
                and times > 1
                and not (parameter.multiple or parameter.count)
            ):
                raise StampError(
                    f"{parameter.opts[0]} must be given once, but came {times} times; leave the others out."
                )

    def _as_typed(self, ctx: click.Context, name: str) -> str:
        """Return the option as it was typed, such as `--no-flip`."""
        parameter = next(one for one in self.params if one.name == name)
        is_off = parameter.secondary_opts and ctx.params.get(name) is False
        return (parameter.secondary_opts if is_off else parameter.opts)[0]


def seconds_so_far() -> float:
    """Return how long the command has been running."""
    started: float = click.get_current_context().meta[_STARTED]
    return time.perf_counter() - started


def is_given(name: str) -> bool:
    """Whether an option of the running command was given, even with the value that it has otherwise.

    Args:
        name: Of its parameter.
    """
    return click.get_current_context().get_parameter_source(name) in _GIVEN


def without(option: str, name: str) -> Callable[[Values], Reason | None]:
    """Say that options need another one, which was not given.

    Args:
        option: The other one, as typed.
        name: Of its parameter.
    """
    return lambda values: None if values[name] else (option, "it is not given", f"add {option}")
