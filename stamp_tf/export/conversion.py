"""Run a converter of TensorFlow graphs: quietly, and what it cannot express is said in a line that names the layer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from stamp_tf.channels.graph import flat_layers
from stamp_tf.errors import StampError
from stamp_tf.export.streams import streams_in_log

_REMEDY = "replace it in your model, or choose another format"
# How the converters of LiteRT and OpenVINO list the operations that they have no word for.
_LISTS = (
    r"Custom ops: ([\w, ]+)",
    r"TF Select ops: ([\w, ]+)",
    r"No conversion rule found for operations: ([\w, ]+)",
    r"[Qq]uantization (?:is )?not yet supported for op: '?(\w+)",
)


def convert(network: keras.Model, path: Path, *, to: str, of_keras: str, **options: Any) -> None:
    """Write a network by Keras's own export.

    Args:
        network: Of one input.
        path: The file to write.
        to: The format, as its exporter is called.
        of_keras: The format, as Keras calls it.
        options: Of Keras's export.

    Raises:
        StampError: If the format cannot express the network, see `converting`.
    """
    image = network.inputs[0]
    signature = [keras.InputSpec(dtype=image.dtype, shape=image.shape, name=image.name)]
    with converting(network, to=to):
        network.export(str(path), format=of_keras, verbose=False, input_signature=signature, **options)


@contextmanager
def converting(model: keras.Model, *, to: str) -> Iterator[None]:
    """Keep what a converter prints off the terminal, and put its refusals into words.

    Args:
        model: The network that is converted.
        to: The format.

    Raises:
        StampError: If the converter fails; it names operations and layers where the converter does.
    """
    try:
        with streams_in_log("The converter"), warnings.catch_warnings():
            # They are about the converter's own code.
            warnings.simplefilter("ignore")
            yield
    except (OSError, MemoryError, StampError):
        raise
    # What a converter raises is of any type.
    except Exception as error:
        lists = [found.split(", ") for pattern in _LISTS for found in re.findall(pattern, str(error))]
        if operations := sorted({name.strip() for names in lists for name in names if name.strip()}):
            raise cannot_express(model, operations, to=to) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise StampError(
            f"The network must be one that can be written as {to}, but its converter answers '{reason}'; {_REMEDY}."
        ) from error


def cannot_express(model: keras.Model, operations: Sequence[str], *, to: str) -> StampError:
    """Return the error for operations that a format has no word for.

    Args:
        model: The network, whose layers are searched for them.
        operations: As TensorFlow calls them.
        to: The format.
    """
    layers = _layers_with(model, operations)
    where = f", which {', '.join(layers)} computes" if layers else ""
    return StampError(
        f"A network for {to} must do without operations that the format lacks, but needs {', '.join(operations)}{where}"
        f"; {_REMEDY}."
    )


def _layers_with(model: keras.Model, operations: Sequence[str]) -> list[str]:
    """Return the layers whose graph holds one of some operations."""
    import tensorflow as tf

    graph = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        tf.TensorSpec((None, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    )
    names = {layer.name for layer in flat_layers(model)}
    # Converters have names of their own, such as ERFINV and CUMSUM.
    wanted = {name.lower().replace("_", "") for name in operations}
    definition = graph.graph.as_graph_def()
    nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
    found = (_layer_of(node.name, names) for node in nodes if node.op.lower() in wanted)
    return list(dict.fromkeys(name for name in found if name is not None))


def _layer_of(operation: str, layers: set[str]) -> str | None:
    """Return the innermost layer in an operation's name, in which a number tells calls apart."""
    for part in reversed(operation.split("/")):
        for name in (part, re.sub(r"_\d+$", "", part)):
            if name in layers:
                return name
    return None
