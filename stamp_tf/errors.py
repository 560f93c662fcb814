"""The one exception for wrong input."""


class StampError(ValueError):
    """Input that breaks a rule the user can mend.

    The message is one line that names the option, the rule, what was received and the remedy. The command
    line prints it without a traceback and exits with code 2.
    """
