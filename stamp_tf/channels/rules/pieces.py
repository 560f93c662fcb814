"""Operations that take channels apart, leave some out, or put constants beside them."""

from typing import Any

import numpy as np

from stamp_tf.channels.call import Call
from stamp_tf.channels.rules.shapes import keep


def split(call: Call) -> str | None:
    """Take channels apart: into given parts, or into equal ones that stay equal."""
    rank, parts = len(call.input_shape), call.layer.indices_or_sections
    if call.layer.axis % rank != rank - 1:
        return "it takes positions apart"
    pieces = np.split(call.channels, parts)
    if isinstance(parts, int):
        for piece in pieces[1:]:
            call.tie(pieces[0], piece)
    else:
        for index, end in enumerate(parts):
            call.count("indices_or_sections", call.channels[:end], index=index)
        for piece in pieces:
            call.part(piece)
    for output, piece in enumerate(pieces):
        call.write(piece, output=output)
    return None


def get_item(call: Call) -> str | None:
    """Pass channels on where slices run over places, as in `x[:, ::2, ::2]`; of channels, leave out both ends."""
    rank, constants = len(call.input_shape), call.constants
    if len(call.inputs) > 1 or len(constants) != 1:
        return "it takes something else than slices"
    key = tuple(constants[0]) if isinstance(constants[0], list | tuple) else (constants[0],)
    entries = _for_axes(key, rank)
    if not all(part is None or isinstance(part, int | slice) for _, part in entries):
        return "it takes something else than slices"
    if entries[0][1] != slice(None):
        return "it takes examples apart"
    place, of_channels = entries[-1]
    if not isinstance(of_channels, slice):
        return "it moves channels elsewhere"
    start, stop, step = of_channels.indices(len(call.channels))
    if (start, stop, step) == (0, len(call.channels), 1):
        return keep(call)
    if step != 1 or start >= stop:
        return "it takes channels that are not side by side"
    call.count("key", call.channels[:start], index=(place, 0))
    call.count("key", call.channels[:stop], index=(place, 1))
    call.part(call.channels[start:stop])
    call.write(call.channels[start:stop])
    return None


def _for_axes(key: tuple[Any, ...], rank: int) -> list[tuple[int, Any]]:
    """Return what a key takes along each axis, new ones (None) included, and its place in the key."""
    entries = list(enumerate(key))
    taken = sum(part is not None and part is not Ellipsis for part in key)
    rest = [(-1, slice(None))] * (rank - taken)
    dots = next((place for place, part in entries if part is Ellipsis), len(key))
    return entries[:dots] + rest + entries[dots + 1 :]


def pad(call: Call) -> str | None:
    """Put constant channels on either side, if any; they can go as soon as a kernel's channels are added to them."""
    widths = call.layer.pad_width
    if len(widths) == 1:
        return "it pads more than positions"
    if any(widths[-1]):
        if call.layer.mode != "constant" or any(np.ndim(value) for value in call.constants):
            return "it pads channels with more than one number"
        _pad_channels(call, "pad_width", widths[-1], place=(len(widths) - 1,))
        return None
    return keep(call)


def zero_padding(call: Call) -> str | None:
    """Pass channels on, but where the layer takes them for positions: then it puts constants beside them."""
    layer = call.layer
    if getattr(layer, "data_format", "channels_last") == "channels_last":
        return keep(call)
    # Of one dimension the layer holds two numbers, of more a pair for each.
    if isinstance(layer.padding[-1], int):
        _pad_channels(call, "padding", layer.padding, place=())
    else:
        _pad_channels(call, "padding", layer.padding[-1], place=(len(layer.padding) - 1,))
    return None


def _pad_channels(call: Call, option: str, widths: tuple[int, int], *, place: tuple[int, ...]) -> None:
    """Write new channels on both sides. No kernel makes them: they stay unless they are tied to some that one does."""
    before, after = (call.trace.new_channels(width) for width in widths)
    call.count(option, before, index=(*place, 0))
    call.count(option, after, index=(*place, 1))
    call.write(np.concatenate([before, call.channels, after]))
