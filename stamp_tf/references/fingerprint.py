"""Which reference network something belongs to, whatever its file is called."""

from __future__ import annotations

import hashlib

import numpy as np

from stamp_tf.references.reference import Reference


def fingerprint(reference: Reference) -> str:
    """Return eight hexadecimal digits that change with any value of the reference."""
    digest = hashlib.sha256()
    for name, value in sorted(reference.arrays().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:8]
