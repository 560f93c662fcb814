"""Run a plug-in's code: what goes wrong within names the plug-in, and so does what it gives back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import stamp_registry
from stamp_tf.errors import PluginError, StampError

# These are no fault of the plug-in's, or have words of their own.
_PASSING = (StampError, stamp_registry.RegistryError, KeyboardInterrupt, GeneratorExit, MemoryError)

_WRAPPED_BY_KERAS = re.compile(
    r"Exception encountered when calling .*?\x1b\[1m(?P<words>.*?)\x1b\[0m\n\nArguments received by .*",
    re.DOTALL,
)

_MARK = "_is_of_the_caller"
_T = TypeVar("_T")


@dataclass(frozen=True)
class PluginCode:
    """A plug-in whose code is called.

    Args:
        group: Its entry-point group.
        name: Its name there.

    Example:
        >>> plugin = PluginCode("stamp_tf.pruners", "l1")
        >>> with plugin.running():
        ...     proposal = pruner.propose(problem)
        >>> if proposal is None:
        ...     raise plugin.breach("return a Proposal", "returned None")
    """

    group: str
    name: str

    def __str__(self) -> str:
        return stamp_registry.describe(self.group, self.name)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let whatever the block raises name the plug-in.

        Wrong input, which a plug-in reports as `StampError` in words, and an interrupt go on as they are. So does a
        fault of a built-in, for it is this library's own.

        Raises:
            PluginError: If it raises something else, `sys.exit` included, which nobody but the caller may decide.
        """
        try:
            yield
        except _PASSING as error:
            if not isinstance(error, StampError):
                raise
            if not (words := _own_words(str(error))):
                raise self.breach("say what is wrong", "raised a StampError without words") from error
            if words == str(error):
                raise
            raise type(error)(words) from error
        except BaseException as error:
            if getattr(error, _MARK, False):
                raise
            if isinstance(error, Exception) and stamp_registry.is_built_in(self.group, self.name):
                raise
            words = _own_words(str(error))
            reason = " ".join(f"{type(error).__name__}: {words}".split()).rstrip(": ")
            raise PluginError(
                f"{self} must not fail, but raised {reason}; report this to its author."
            ) from error

    def breach(self, rule: str, received: str) -> PluginError:
        """Return the error that says which rule the plug-in broke.

        Args:
            rule: What it must do, such as `return a Proposal`.
            received: What it did, such as `returned None`.
        """
        return PluginError(f"{self} must {rule}, but {received}; report this to its author.")


def _own_words(text: str) -> str:
    """Return what an error said before Keras put the arguments of the call around it, in bold."""
    wrapped = _WRAPPED_BY_KERAS.fullmatch(text)
    return wrapped["words"].strip() if wrapped else text.strip() and text


def of_the_caller(function: Callable[..., _T]) -> Callable[..., _T]:
    """Return a callback whose errors are the caller's own, though a plug-in calls it.

    Args:
        function: What to call.
    """

    def call(*arguments: Any) -> _T:
        try:
            return function(*arguments)
        except BaseException as error:
            setattr(error, _MARK, True)
            raise

    return call


def in_words(value: object) -> str:
    """Say what a plug-in returned: its type and, where it has one, its shape.

    Args:
        value: Anything.
    """
    if value is None:
        return "returned None"
    shape = getattr(value, "shape", None)
    where = "" if shape is None else f" of shape {list(shape)}"
    return f"returned {type(value).__name__}{where}"
