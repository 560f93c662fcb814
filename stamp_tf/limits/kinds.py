"""The kinds of limit that there are: a new one is a file beside these, and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from stamp_tf.limits.kind import CountedKind, LimitKind, TimedKind

# File and class, in the order of help, messages and pages.
_LISTED = (
    "parameters:Parameters",
    "flops:Flops",
    "memory:ActivationMemory",
    "latency:Latency",
)


def _listed(place: str) -> LimitKind:
    file, _, name = place.partition(":")
    kind: LimitKind = getattr(import_module(f"stamp_tf.limits.{file}"), name)()
    return kind


KINDS = tuple(map(_listed, _LISTED))
COUNTED = tuple(kind for kind in KINDS if isinstance(kind, CountedKind))
TIMED = tuple(kind for kind in KINDS if isinstance(kind, TimedKind))


def limits_in_words(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that options set, by what they limit.

    Args:
        config: Options by name, as a run's `config.json` has them.
    """
    given = [(kind, config.get(kind.name)) for kind in KINDS]
    return {kind.quantity: kind.in_words(value) for kind, value in given if value is not None}


def any_of(kinds: Iterable[LimitKind]) -> str:
    """Return the arguments of some kinds, such as "`max_flops` or `max_memory`"."""
    *others, last = [kind.argument for kind in kinds]
    return f"{', '.join(others)} or {last}" if others else last
