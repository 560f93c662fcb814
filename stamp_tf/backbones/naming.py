"""Names of layers that a backbone leaves to Keras."""

import collections
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def layers_numbered_anew() -> Iterator[None]:
    """Let Keras number unnamed layers as in a fresh process.

    Checkpoints store weights by path, so a backbone has to have the same paths whatever was built before it.
    """
    # Keras offers only to forget all numbers for good, which would be felt outside.
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before)
