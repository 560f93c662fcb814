"""What a field of options says of itself: one place for the command line, the checks and the page on Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

_KEY = "option"


@dataclass(frozen=True)
class Form:
    """How values are written that are no plain number, word or path, such as `12ms` or `48x64`.

    Args:
        metavar: What stands for a value in help, such as `TIME`.
        read: Returns the value of a text, or raises ValueError with a sentence such as `'12' must be a time.`
        write: Returns the text of a value.
    """

    metavar: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option, beside the name, the type and the default that its field has.

    Numbers lie in the range of `least`, `above`, `most` and `below`; those of a list lie in it each.

    Args:
        help: What it does: one sentence, for help and the page on Python alike. Other options stand in it as
            arguments in backticks, such as "`max_latency`", and the command line shows their flags.
        least: Smallest number.
        above: Every number is above this.
        most: Largest number.
        below: Every number is below this.
        most_typed: Largest number on the command line, where Python takes any.
        usual: A number to take instead of one out of range, where the default is none.
        default_in_words: What holds where it is not given, if the default does not say so itself.
        flag: Its name on the command line without dashes; None is that of the field with dashes.
        metavar: What stands for a value in help.
        such_as: An example of a value, for whoever gives an empty one.
        form: How a value is written, where its type does not say it.
        typed: What is typed for it, such as the path of what holds it; None is what its field holds.
        plugins: Group of the plug-ins whose names are its values.
        is_repeatable: Whether it may be given several times, a value of a list each.
        is_swept: Whether several values make a run each, where several runs can be asked for.
        is_only_python: Whether it has no flag.
        inner: Field -> its flag here, where the option is a group of options itself.
    """

    help: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    most_typed: float | None = None
    usual: float | None = None
    default_in_words: str = ""
    flag: str | None = None
    metavar: str | None = None
    such_as: str | None = None
    form: Form | None = None
    typed: type | None = None
    plugins: str | None = None
    is_repeatable: bool = False
    is_swept: bool = False
    is_only_python: bool = False
    inner: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def rule(self) -> str:
        """The range in words, such as `above 0 and at most 1`; empty where any number will do."""
        if self.least is not None and self.most is not None:
            return f"between {self.least:.15g} and {self.most:.15g}"
        if (self.least, self.below, self.most) == (0, None, None):
            return "0 or more"
        words = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{word} {bound:.15g}" for word, bound in words.items() if bound is not None)

    def allows(self, number: float) -> bool:
        """Whether a number lies in the range."""
        return (
            (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )


def option(default: Any = MISSING, *, default_factory: Any = MISSING, **said: Any) -> Any:
    """Return a field of a dataclass of options.

    `options_of(PruneConfig)` reads it back: field name -> `Option`, whose `help`, `rule` and flag are all that is
    said of it anywhere; type and default are those of `dataclasses.fields`.

    Args:
        default: The value where none is given.
        default_factory: Makes it, where it can change.
        **said: Fields of `Option`.
    """
    metadata = {_KEY: Option(**said)}
    if default_factory is not MISSING:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def option_of(field: dataclasses.Field[Any]) -> Option:
    """Return what a field says of itself; one that `option` did not make says nothing."""
    found: Option = field.metadata.get(_KEY, _SAYS_NOTHING)
    return found


def options_of(kind: type) -> dict[str, Option]:
    """Return the options of a dataclass by the names of its fields, in their order."""
    return {field.name: option_of(field) for field in dataclasses.fields(kind)}


def flag_of(name: str, said: Option) -> str:
    """Return what an option is typed as, without dashes."""
    return said.flag or name.replace("_", "-")


_SAYS_NOTHING = Option()
