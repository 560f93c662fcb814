"""Inputs that lie in a file of arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from stamp_tf.channels.graph import input_structure
from stamp_tf.data.npz_file import read_arrays
from stamp_tf.errors import StampError

_NAMES = ("inputs", "x", "x_train", "images")


def read_inputs(path: Path, model: keras.Model) -> Any:
    """Return the inputs of a network that a file holds.

    Args:
        path: An `.npz` file. Of a network with one input it holds an array by the name of that input, or `inputs`, `x`,
            `x_train` or `images`; of several, one by the name of each.
        model: The network.

    Raises:
        StampError: If there is no such file, it is damaged, or an array is missing.
    """
    inputs = [tensor.name for tensor in model.inputs]
    names = list(dict.fromkeys([*inputs, *_NAMES])) if len(inputs) == 1 else inputs
    arrays = read_arrays(path, names, f"`inputs=npz:{path}`", if_too_large="save some hundreds of examples")
    if len(inputs) == 1:
        found = next((arrays[name] for name in names if name in arrays), None)
        if found is None:
            raise StampError(
                f"`inputs` must be an array by the name of {', '.join(names[:-1])} or {names[-1]}, but {path} "
                "holds none; write it with numpy.savez(path, x=images)."
            )
        return found
    if missing := [name for name in inputs if name not in arrays]:
        raise StampError(
            f"`inputs` must be an array for each input ({', '.join(inputs)}), but {path} holds no "
            f"{' and no '.join(missing)}; write it with numpy.savez."
        )
    return keras.tree.pack_sequence_as(input_structure(model), [arrays[name] for name in inputs])
