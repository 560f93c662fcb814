"""From the dataclasses of options to what a command takes: each field an option, each dataclass an argument."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from stamp_cli.flags import in_flags
from stamp_cli.values import (
    Count,
    FilePath,
    KeyValue,
    Name,
    Number,
    OneOf,
    OneOrMore,
    RegisteredName,
    Written,
    as_options,
)
from stamp_tf.options.option import Option, flag_of, options_of

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def takes(
    record: type,
    argument: str,
    *,
    only: Collection[str] | None = None,
    only_flags: bool = False,
    first: Collection[str] = (),
    without: Collection[str] = (),
    required: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    plan: Callable[[Mapping[str, Any]], Any] | None = None,
    **said: Mapping[str, Any],
) -> Decorator:
    """Give a command the options of a dataclass, and hand their values to it as one object.

    Fields that are not given keep the defaults of the dataclass.

    Args:
        record: The dataclass, its fields made by `stamp_tf.options.option`.
        argument: What the command calls the object.
        only: Fields to take; None takes all but those for Python alone.
        only_flags: Whether to take the fields that name a flag of their own, without their defaults, and to hand
            over those that were given as a dictionary.
        first: Fields that help lists before the others.
        without: Fields to leave out.
        required: Fields that must be given.
        defaults: Field -> its default for this command, where it is another one.
        plan: Returns what the command gets, of fields that several values may be given for; None hands over the
            dataclass and takes one value each.
        **said: Field -> what its option says of itself here, as far as it differs.
    """
    hints = {name: options_of(record)[name].typed or hint for name, hint in get_type_hints(record).items()}
    fields = {field.name: field for field in dataclasses.fields(record)}
    options = {
        name: dataclasses.replace(option, **said.get(name, {}))
        for name, option in options_of(record).items()
        if not option.is_only_python
        and name not in without
        and (only is None or name in only)
        and (not only_flags or option.flag)
    }
    options = _naming_flags(options)
    made = plan or (dict if only_flags else lambda values: record(**values))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(**values: Any) -> Any:
            given = {name: values.pop(name) for name in options}
            collected = {
                name: as_options(value, f"--{flag_of(name, options[name])}")
                if _is_mapping(hints[name])
                else value
                for name, value in given.items()
                if value is not None
            }
            return function(**values, **{argument: made(collected)})

        # Applied from the last to the first, as decorators are, so that help lists them in the order of the fields.
        order = sorted(options, key=lambda name: name not in first)
        for name in reversed(order):
            option, default = options[name], (defaults or {}).get(name, fields[name].default)
            if only_flags and default is not None:
                option, default = (
                    dataclasses.replace(option, default_in_words=str(default).removesuffix(".0")),
                    None,
                )
            add = _option(
                name,
                hints[name],
                option=option,
                default=default,
                is_required=name in required,
                is_list=plan is not None and option.is_swept,
            )
            add(wrapped)
        return wrapped

    return decorate


def _naming_flags(options: Mapping[str, Option]) -> dict[str, Option]:
    """Return options of a command whose help names each other by the flags that they have there."""
    own = {name: f"--{flag_of(name, option)}" for name, option in options.items()}
    return {
        name: dataclasses.replace(
            option,
            help=in_flags(option.help, own=own),
            default_in_words=option.default_in_words and in_flags(option.default_in_words, own=own),
        )
        for name, option in options.items()
    }


def _option(
    name: str, hint: Any, *, option: Option, default: Any, is_required: bool, is_list: bool
) -> Decorator:
    """Return the decorator that adds one option."""
    flag = f"--{flag_of(name, option)}"
    hint = _without_none(hint)
    help = option.help
    # Newer releases of click take an explicit default of None for a value, and a required option for given.
    extra: dict[str, Any] = {"required": True} if is_required else {}
    if hint is bool:
        if default is None:
            help += f"  [default: {option.default_in_words}]"
            return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help)
        if default:
            return click.option(f"{flag}/--no-{flag[2:]}", name, default=True, help=help)
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=False, help=help, cls=_Switch)
    if option.is_repeatable or _is_mapping(hint):
        extra["multiple"] = True
    elif default is not None and default is not dataclasses.MISSING:
        extra |= {"default": option.form.write(default) if option.form else default, "show_default": True}
    if option.default_in_words and not is_required and "default" not in extra:
        help += f"  [default: {option.default_in_words}]"
    if option.metavar is not None:
        extra["metavar"] = option.metavar
    kind = OneOrMore(_type(hint, option)) if is_list else _type(hint, option)
    return click.option(flag, name, type=kind, help=help or None, **extra)


class _Switch(click.Option):
    """A flag that is off unless it is given; its help leaves out that --no- in front undoes what a file says."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return record and (self.opts[0], record[1])


def _type(hint: Any, option: Option) -> click.ParamType:
    """Return how click is to read a value."""
    if option.form is not None:
        return Written(option.form)
    if option.plugins is not None:
        return RegisteredName(option.plugins)
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    if _is_mapping(hint):
        return KeyValue()
    most = option.most if option.most_typed is None else option.most_typed
    if hint is int:
        return Count(int(option.least or 0), None if most is None else int(most))
    if hint is float:
        is_open = option.above is not None
        return Number(option.above if is_open else option.least, most, min_open=is_open)
    return FilePath() if hint is Path else Name(option.such_as or "one")


def _without_none(hint: Any) -> Any:
    """Return a type without its None."""
    rest = [one for one in get_args(hint) if one is not NoneType]
    return rest[0] if get_origin(hint) in (Union, UnionType) and len(rest) == 1 else hint


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is not None and get_origin(hint).__name__ == "Mapping"
