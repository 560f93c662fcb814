"""The one exception for wrong input."""

from stamp_tf.notation import in_words_of_the_caller


class StampError(ValueError):
    """Input that breaks a rule the user can mend.

    The message is one line that names the argument, the rule, what was received and the remedy. It is written with
    arguments in backticks, such as "`max_flops=0.5`" (`stamp_tf/notation.py`), which Python shows without them. The
    command line names flags in their place, prints it without a traceback and exits with code 2.

    Args:
        message: The line.
    """

    def __str__(self) -> str:
        return in_words_of_the_caller(super().__str__())


class NotFiniteError(StampError):
    """Values that are NaN or infinite where they must not be. The message says whose, and how many."""


class DivergenceError(StampError):
    """Training whose values are no longer finite. The message names the step, the rate and where the state is."""


class PluginError(StampError):
    """A plug-in that breaks the contract of its kind. The message names it and the package that brings it."""
