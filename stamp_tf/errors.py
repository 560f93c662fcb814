"""The one exception for wrong input."""

from collections.abc import Mapping

from stamp_tf.notation import in_words_of_the_caller


class StampError(ValueError):
    """Input that breaks a rule the user can mend.

    The message is one line that names the option, the rule, what was received and the remedy. The command
    line prints it without a traceback and exits with code 2. It is written with options, such as `--max-flops 0.5`;
    called from Python, it reads `max_flops=0.5` (`stamp_tf/notation.py`).

    Args:
        message: The line.
        arguments: Option without dashes -> what it is called in Python, where the function has a name of its own.
    """

    def __init__(self, message: str, *, arguments: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.arguments = dict(arguments or {})

    def __str__(self) -> str:
        return in_words_of_the_caller(super().__str__(), self.arguments)


class NotFiniteError(StampError):
    """Values that are NaN or infinite where they must not be. The message says whose, and how many."""


class DivergenceError(StampError):
    """Training whose values are no longer finite. The message names the step, the rate and where the state is."""


class PluginError(StampError):
    """A plug-in that breaks the contract of its kind. The message names it and the package that brings it."""
