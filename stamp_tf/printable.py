"""Names of files, classes and layers as a terminal or a page may show them."""

import re
import unicodedata

# Control characters, lone surrogates (bytes of a file name that are no UTF-8), line and paragraph separators, and
# format characters, which turn the direction of what follows or hide within a name.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Format characters that scripts need to be written at all: joiner and non-joiner.
_NEEDED = frozenset("\u200c\u200d")
# A range of what can be seen; what lies outside is looked at one by one, and a page is mostly base64.
_PLAIN = " -~"


def printable(text: str, *, allowed: str = "") -> str:
    r"""Write what cannot be seen as an escape, so that a name can neither move a cursor nor pose as another.

    Args:
        text: Anything, such as a path in an error message.
        allowed: Characters that stay, such as line feeds between lines of one's own.

    Returns:
        The text, each such character as `\n`, `\x1b`, `\u202e` or, for a byte that is no UTF-8, `\xff`.
    """
    if text.isprintable():
        return text
    return re.sub(f"[^{_PLAIN}{re.escape(allowed)}]", _as_seen, text)


def _as_seen(match: re.Match[str]) -> str:
    character = match.group()
    return _escape(character) if _is_unseen(character) else character


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _NEEDED


def _escape(character: str) -> str:
    number = ord(character)
    # Python reads a byte that is no UTF-8 as a surrogate.
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode()
