"""The nearest valid name to a mistyped one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Suggest the choice that looks most like a name.

    Args:
        name: What was typed.
        choices: What would have been valid.

    Returns:
        `" Did you mean 'x'?"`, or the empty string if nothing is near.
    """
    # Compared without case, because difflib would call 'VGG19' and 'vgg19' strangers.
    by_lower_case = {choice.lower(): choice for choice in choices}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" Did you mean {by_lower_case[nearest[0]]!r}?" if nearest else ""
