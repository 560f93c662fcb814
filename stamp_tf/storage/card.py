"""Whose a model card is: a run's, which the next one replaces, or its user's, which stays."""

from __future__ import annotations

from pathlib import Path

MARK = "<!-- Written by stamp-tf, which writes it anew with the network; without this line the file is yours. -->"
"""The last line of a card that a run wrote."""


def is_users(path: Path) -> bool:
    """Tell whether something lies in the place of a card that no run wrote, or that its user took over.

    Args:
        path: The place.
    """
    if path.is_dir() or path.is_symlink():
        return True
    return path.exists() and not path.read_bytes().rstrip().endswith(MARK.encode())
