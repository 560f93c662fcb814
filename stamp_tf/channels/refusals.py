"""What a layer says of values that it does not take, whichever backend says it."""

from stamp_tf.channels.twin import why

# Of TensorFlow, which is no part of every backend.
_BY_NAME = ("InvalidArgumentError",)


def refusal_of(error: Exception) -> str | None:
    """Return on one line why a network did not run on what it was given; None where that is no reason.

    Args:
        error: What it raised.
    """
    if not isinstance(error, ValueError | TypeError | LookupError) and type(error).__name__ not in _BY_NAME:
        return None
    lines = [line.strip() for line in str(error).splitlines()]
    # Within a compiled graph the reason stands below the places that led there, above the name of a node.
    nodes = [number for number, line in enumerate(lines) if line.startswith("[[{{node")]
    return lines[nodes[0] - 1] if nodes and nodes[0] else why(error)
