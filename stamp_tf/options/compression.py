"""Formats of networks that are compressed before they are written: `litert-int8+qat`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from stamp_tf.errors import StampError

Compression = Literal["sparsity", "clustering", "qat"]
"""Half of each kernel zeros; 16 values a kernel; training under simulated 8-bit integers."""

_WITH_8_BITS = "litert-int8"


def parts_of(format_name: str) -> tuple[str, str | None]:
    """Return the exporter of a format and how its network is compressed; None for not at all.

    Args:
        format_name: Such as `litert-int8` or `litert-int8+qat`.
    """
    exporter, plus, kind = format_name.partition("+")
    return exporter, kind if plus else None


def compressed_formats(exporters: Sequence[str], kind: Compression | None) -> tuple[str, ...]:
    """Return exporters as formats of compressed networks, those for which that is of use.

    Args:
        exporters: Registered names.
        kind: How; None for not at all.

    Raises:
        StampError: If it is of use to none.
    """
    if kind is None:
        return ()
    of_use = [name for name in exporters if kind != "qat" or name == _WITH_8_BITS]
    if not of_use:
        raise StampError(
            f"`compress={kind}` needs the format {_WITH_8_BITS}, which computes in 8 bits, but got "
            f"{', '.join(exporters) or 'none'}; ask for that one, or leave `compress` out."
        )
    return tuple(f"{name}+{kind}" for name in of_use)
