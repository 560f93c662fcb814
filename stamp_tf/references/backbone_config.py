"""How to build a backbone again: by its name in the registry, or from the architecture of somebody's model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras

import stamp_registry
from stamp_tf.backbones.end import split_end
from stamp_tf.channels import inlined
from stamp_tf.channels.graph import graph_of, layers_numbered_anew
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.plugin_code import PluginCode, in_words


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """How to build a backbone again.

    Args:
        name: Its name in the registry; with an architecture, that of the model.
        input_shape: Height, width and depth of an image.
        num_classes: Number of classes: of logits, but for a binary end, where one stands for two.
        options: Further arguments of the backbone, such as `width`.
        architecture: A model as Keras serialises it, for one that no backbone builds.
        head: With an architecture, the dense layer that makes the logits; None where something else does.
        end: What stood behind the logits of a user's model, and is put back in what leaves.
    """

    name: str
    input_shape: tuple[int, int, int]
    num_classes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    architecture: Mapping[str, Any] | None = field(default=None, repr=False)
    head: str | None = None
    end: End = LOGITS

    def build(self, *, num_classes: int | None = None) -> keras.Model:
        """Build the network with fresh weights.

        Args:
            num_classes: Overrides the number of classes.

        Raises:
            StampError: If the backbone refuses its options, or its head cannot have as many logits.
        """
        with layers_numbered_anew():
            if self.architecture is not None:
                return self._from_architecture(num_classes or self.num_classes)
            return self._from_registry(num_classes or self.num_classes)

    def _from_registry(self, num_classes: int) -> keras.Model:
        plugin = PluginCode("stamp_tf.backbones", self.name)
        backbone = stamp_registry.load(plugin.group, self.name)
        with plugin.running():
            try:
                model = backbone(tuple(self.input_shape), num_classes, **self.options)
            except (TypeError, ValueError, OverflowError) as error:
                if isinstance(error, StampError) or not self.options:
                    raise
                raise StampError(
                    f"`backbone={self.name}` must accept its options, but {dict(self.options)} gave '{error}'; "
                    "leave the option out or choose another backbone."
                ) from error
        _check_built(plugin, model, input_shape=tuple(self.input_shape), num_classes=num_classes)
        # A channel within a nested model could not be looked at.
        model = inlined(model)
        if (end := split_end(model)[1]) != LOGITS:
            raise plugin.breach("end in logits", f"ends in {end.in_words}")
        return model

    def _from_architecture(self, num_classes: int) -> keras.Model:
        self._check_head(num_classes)
        architecture: Any = copy.deepcopy(self.architecture)
        for layer in architecture["config"]["layers"]:
            if layer["config"]["name"] == self.head:
                layer["config"]["units"] = self.end.num_logits(num_classes)
        return keras.saving.deserialize_keras_object(architecture, safe_mode=True)

    def _check_head(self, num_classes: int) -> None:
        if self.end.is_binary and num_classes != 2:
            raise StampError(
                f"`dataset` must have 2 classes for a network that ends in one logit, as {self.name} does, but has "
                f"{num_classes}; give the network an output per class."
            )
        if self.architecture is not None and self.head is None and num_classes != self.num_classes:
            raise StampError(
                f"`own:reference` must end in a dense layer to get another number of classes, but {self.name} ends in "
                f"something else with {self.num_classes} where `dataset` has {num_classes}; end it in a dense layer."
            )

    def with_num_classes(self, num_classes: int) -> BackboneConfig:
        """Return the same backbone for another number of classes.

        Raises:
            StampError: If its head cannot have as many.
        """
        self._check_head(num_classes)
        return replace(self, num_classes=num_classes)

    def to_config(self) -> dict[str, Any]:
        """Return JSON content."""
        config = {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "num_classes": self.num_classes,
            "options": dict(self.options),
        }
        if self.architecture is not None:
            config |= {"architecture": self.architecture, "head": self.head}
        if self.end != LOGITS:
            config["end"] = self.end.to_config()
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BackboneConfig:
        """Undo `to_config`."""
        return cls(
            name=config["name"],
            input_shape=tuple(config["input_shape"]),
            num_classes=config["num_classes"],
            options=config["options"],
            architecture=config.get("architecture"),
            head=config.get("head"),
            end=End.from_config(config.get("end")),
        )


def _check_built(plugin: PluginCode, model: Any, *, input_shape: tuple[int, ...], num_classes: int) -> None:
    """Refuse what a backbone returned where it is no functional model from images to logits."""
    if not isinstance(model, keras.Model):
        raise plugin.breach("return a keras.Model", in_words(model))
    if graph_of(model) is None:
        raise plugin.breach("return a functional model", f"returned the {type(model).__name__} {model.name}")
    wanted = [(None, *input_shape)], [(None, num_classes)]
    found = tuple([tuple(tensor.shape) for tensor in tensors] for tensors in (model.inputs, model.outputs))
    if found != wanted:
        raise plugin.breach(
            f"map images {list(wanted[0][0])} to logits {list(wanted[1][0])}",
            f"maps {_shapes(found[0])} to {_shapes(found[1])}",
        )


def _shapes(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes) or "nothing"
