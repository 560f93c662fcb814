"""Options that limit the cost of a network: one for each kind of limit."""

from dataclasses import make_dataclass
from typing import Any

from stamp_tf.limits.kinds import KINDS
from stamp_tf.options.option import Form, option

# What is made from a list is no class to a type checker: of these fields alone it knows nothing.
LimitFields: Any = make_dataclass(
    "LimitFields",
    [
        (
            kind.name,
            float | None,
            option(
                None,
                help=kind.help,
                form=Form(kind.metavar, kind.parse, kind.as_typed),
                is_swept=True,
            ),
        )
        for kind in KINDS
    ],
    frozen=True,
    kw_only=True,
)
"""Base of options that hold a field for each kind of limit, None for no limit."""
