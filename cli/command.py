"""A command that takes no option twice and none that would do nothing."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from stamp_cli.flags import speak_for
from stamp_cli.options_file import name_the_file
from stamp_tf.errors import StampError

Values = Mapping[str, Any]
Reason = tuple[str, str, str]
_STARTED = "stamp_cli.started"
_TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


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
        speak_for(self)
        if not ctx.resilient_parsing:
            self._check_once(ctx, list(args))
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name_the_file(ctx, error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[_STARTED] = time.perf_counter()
        for idle in self._idle:
            typed = [name for name in idle.options if self.is_asked_for(ctx, name)]
            if typed and (reason := idle.reason(ctx.params)) is not None:
                option, (needs, found, remedy) = self._as_typed(ctx, typed[0]), reason
                raise StampError(f"{option} needs {needs}, but {found}; {remedy}, or leave {option} out.")
        return super().invoke(ctx)

    def idle_options(self, values: Values) -> frozenset[str]:
        """Return the names of the options that do nothing beside these values."""
        return frozenset(
            name for idle in self._idle if idle.reason(values) is not None for name in idle.options
        )

    def is_asked_for(self, ctx: click.Context, name: str) -> bool:
        """Whether an option was typed, or stands in a file of options with another value than it has anyway.

        Args:
            ctx: Of the command.
            name: Of its parameter.
        """
        source = ctx.get_parameter_source(name)
        parameter = self._parameter(name)
        if source is not ParameterSource.DEFAULT_MAP:
            # A flag that is off anyway is taken back from a file.
            return source in _TYPED and (ctx.params[name] is not False or parameter.default is not False)
        default = parameter.to_info_dict().get("default")
        return bool(ctx.params[name] != parameter.type_cast_value(ctx, default))

    def _parameter(self, name: str) -> click.Parameter:
        return next(one for one in self.params if one.name == name)

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
        parameter = self._parameter(name)
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
    return click.get_current_context().get_parameter_source(name) in (*_TYPED, ParameterSource.DEFAULT_MAP)


def without(option: str, name: str) -> Callable[[Values], Reason | None]:
    """Say that options need another one, which was not given.

    Args:
        option: The other one, as typed.
        name: Of its parameter.
    """
    return lambda values: None if values[name] else (option, "it is not given", f"add {option}")
