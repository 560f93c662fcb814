"""A set encoder or mask generator out of the registry, with what it takes to make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.plugin_code import PluginCode


@dataclass(frozen=True, kw_only=True)
class LayerKind:
    """What a layer does for a reference.

    Args:
        name: What files call it: an entry of the description, the first part of each weight's path.
        words: What a message calls it.
        group: Its entry-point group.
        base: What it is derived from.
    """

    name: str
    words: str
    group: str
    base: type


SET_ENCODER = LayerKind(
    name="set_encoder", words="set encoder", group="stamp_tf.set_encoders", base=keras.Layer
)
MASK_GENERATOR = LayerKind(
    name="mask_generator", words="mask generator", group="stamp_tf.mask_generators", base=MaskGenerator
)
LAYER_KINDS = (SET_ENCODER, MASK_GENERATOR)


@dataclass(frozen=True, eq=False, kw_only=True)
class RegisteredLayer:
    """A layer that a plug-in made.

    Args:
        kind: What it does.
        name: Of the plug-in.
        layer: The layer, built.
        shape: The input shape that it was built for, batch first.
    """

    kind: LayerKind
    name: str
    layer: Any
    shape: tuple[int | None, ...]

    @property
    def plugin(self) -> PluginCode:
        """The plug-in whose code runs when the layer is called."""
        return PluginCode(self.kind.group, self.name)

    def to_config(self) -> dict[str, Any]:
        """Return what makes the same layer again but for its values, as JSON content."""
        return {"name": self.name, "config": self.layer.get_config(), "shape": list(self.shape)}
