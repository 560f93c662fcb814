"""Read the network in a page that runs it, by ONNX Runtime; it needs the extra `onnx`."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

from stamp_tf.errors import StampError
from stamp_tf.export.marks import DEMO_ENDING
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.onnx_file import network_of
from stamp_tf.serving.runtime import opening

_BEFORE, _BEHIND = b'<script type="application/base64" id="network">', b"</script>"


def read_demo(path: Path) -> Exported | None:
    """Return the network of a page that `export_demo` wrote; None where no such page lies.

    Args:
        path: The file.

    Raises:
        StampError: If it is damaged.
        MissingRuntime: If ONNX Runtime is not installed.
    """
    if path.suffix != DEMO_ENDING or not path.is_file():
        return None
    _, _, rest = path.read_bytes().partition(_BEFORE)
    if not rest:
        return None
    inside, end, _ = rest.partition(_BEHIND)
    if not end:
        raise StampError(f"{path} must be a whole page, but its end is missing; export it anew.")
    with opening(path, by="ONNX Runtime"):
        content = base64.b64decode(inside, validate=True)
    return dataclasses.replace(network_of(content, source=path), format="demo")
