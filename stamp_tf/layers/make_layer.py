"""Make a set encoder or mask generator by its name in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import stamp_registry
from stamp_tf.channels.graph import layers_numbered_anew
from stamp_tf.errors import StampError
from stamp_tf.layers.contracts import check_built, check_layer
from stamp_tf.layers.registered import LayerKind, RegisteredLayer
from stamp_tf.plugin_code import PluginCode


def make_layer(
    kind: LayerKind, name: str, options: Mapping[str, Any], *, shape: Sequence[int | None]
) -> RegisteredLayer:
    """Build a registered set encoder or mask generator.

    Args:
        kind: Which of them.
        name: Its name in the registry.
        options: Its constructor's arguments.
        shape: The input shape it is built for, batch first.

    Raises:
        StampError: If it refuses its options.
    """
    plugin = PluginCode(kind.group, name)
    layer_class = stamp_registry.load(kind.group, name)
    is_asked_for = bool(options.keys() - {"group_sizes"})
    # Paths must not depend on how many layers of the class were made before.
    options = {**options, "name": kind.name}
    with layers_numbered_anew(), plugin.running():
        try:
            layer = layer_class(**options)
        except (TypeError, ValueError) as error:  # Keras answers unknown arguments with the latter
            if isinstance(error, StampError) or not is_asked_for:
                raise
            raise StampError(
                f"{name} must accept its options, but {options} gave '{error}'; leave the option out."
            ) from error
    check_layer(layer, plugin, base=kind.base)
    with layers_numbered_anew(), plugin.running():
        layer.build(tuple(shape))
    made = RegisteredLayer(kind=kind, name=name, layer=layer, shape=tuple(shape))
    if not stamp_registry.is_built_in(kind.group, name):
        check_built(made)
    return made


def twin_of(made: RegisteredLayer) -> RegisteredLayer:
    """Build a layer again with the same values, so that one can be trained without changing the other."""
    options = {key: value for key, value in made.layer.get_config().items() if key not in ("name", "dtype")}
    twin = make_layer(made.kind, made.name, options, shape=made.shape)
    twin.layer.set_weights(made.layer.get_weights())
    return twin
