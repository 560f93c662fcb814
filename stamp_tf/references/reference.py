"""The reference network with all that prunes it: what pretraining makes, meta-training improves, pruning uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import stamp_registry
from stamp_tf.arguments import as_path
from stamp_tf.channels import ChannelCut, ChannelMap, CostModel, trace_channels
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.channels.graph import layers_numbered_anew
from stamp_tf.channels.probe import Probe
from stamp_tf.data import ImageSet, Normalization, StreamedSet
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite
from stamp_tf.layers.contracts import (
    check_built,
    check_finite,
    check_layer,
    check_sample,
    checked_masks,
    checked_pseudo_images,
    plugin_of,
)
from stamp_tf.plugin_code import PluginCode
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.layer_arrays import assign_arrays, layer_arrays
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.storage.checkpoints import load_state, save_state
from stamp_tf.storage.records import check
from stamp_tf.storage.run_directory import reference_file
from stamp_tf.storage.schemas import ReferenceDescription

_RETIRED = {"set_encoder": ("images", "constant"), "mask_generator": ("class-separation",)}
"""Names that older files may hold. A package may give one a meaning again."""


@dataclass
class Reference:
    """A trained network, its channels, a score for each, and what makes masks from a set.

    Args:
        backbone: How the network was built.
        model: The network.
        scores: Learnt score per channel `[C]`, or None after plain pretraining.
        normalization: Of the reference data set.
        description: Where it comes from: data set, seeds, figures; JSON content.
        set_encoder: Maps a set of images to its representation; None before meta-training.
        mask_generator: Maps what the representation excites to scores; None before meta-training.
    """

    backbone: BackboneConfig
    model: keras.Model
    scores: np.ndarray | None
    normalization: Normalization
    description: dict[str, Any] = field(default_factory=dict)
    set_encoder: keras.Layer | None = None
    mask_generator: keras.Layer | None = None

    def __post_init__(self) -> None:
        self.channel_map: ChannelMap = trace_channels(self.model)
        _check_trainable(self.model, self.channel_map)
        self.cost_model = CostModel(self.model, self.channel_map)
        self.cut = ChannelCut(self.channel_map, self.cost_model)

    def normalization_for(self, images: ImageSet | StreamedSet) -> Normalization:
        """Return how a target's images are normalised: as the model was trained if it says so, else by their own
        mean and deviation.

        Args:
            images: The target's training images.
        """
        fixed = self.description.get("pixels", "standardized") != "standardized"
        return self.normalization if fixed else Normalization.of(images)

    @property
    def learnt_scores(self) -> np.ndarray:
        """The score of every channel that training at budgets learnt, float32 `[C]`.

        Raises:
            StampError: If the reference was trained without budgets.
        """
        if self.scores is None:
            raise StampError(
                "--method stamp needs a reference trained at budgets or meta-trained, but this one is neither; "
                "run pretrain with --budget-epochs or meta-train."
            )
        return self.scores

    def propose_scores(self, images: np.ndarray, *, normalization: Normalization) -> np.ndarray:
        """Return the score of every channel for a set: the instant answer, without any step.

        Args:
            images: The set, uint8 `[B, H, W, D]`.
            normalization: Of the data set it comes from.

        Returns:
            float32 `[C]`, logits of E[m]; the learnt scores where there is no mask generator yet.

        Raises:
            StampError: If the reference was trained without budgets and without meta-training.
        """
        if self.mask_generator is None or self.set_encoder is None:
            return self.learnt_scores
        pseudo_images = self._encode(normalization(images))
        check_finite(self.set_encoder, pseudo_images, group="set_encoders", what="pseudo-images")
        pooled = self.excite(pseudo_images)
        num_channels = self.channel_map.num_channels
        uniform = np.full((2, num_channels), 0.5, "float32")
        with plugin_of(self.mask_generator, group="mask_generators").running():
            masks = self.mask_generator(pooled, uniform)
        scores, sample, cost = checked_masks(self.mask_generator, masks, num_channels=num_channels)
        check_finite(self.mask_generator, scores, group="mask_generators", what="scores")
        check_sample(self.mask_generator, sample, cost)
        return keras.ops.convert_to_numpy(scores)

    def _encode(self, images: Any) -> Any:
        """Return the pseudo-images of a set, as its encoder must give them."""
        encoder: Any = self.set_encoder
        with plugin_of(encoder, group="set_encoders").running():
            pseudo_images = encoder(images)
        return checked_pseudo_images(self.set_encoder, pseudo_images, image_shape=self.backbone.input_shape)

    def excite(self, images: Any) -> Any:
        """Return the spatial mean of every channel for normalised images `[r, H, W, D]`, `[r, C]`."""
        return Probe(self.model, self.channel_map)(
            [variable.value for variable in self.model.trainable_variables],
            [variable.value for variable in self.model.non_trainable_variables],
            images,
        )

    def copy(self) -> Reference:
        """Return a reference whose set encoder and mask generator can be trained without changing this one."""
        return replace(
            self, set_encoder=_copied(self.set_encoder), mask_generator=_copied(self.mask_generator)
        )

    def in_float32(self) -> Reference:
        """Return the same reference with networks that compute in float32."""
        model = self.backbone.build()
        transfer_weights(self.model, model)
        return replace(self, model=model)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every value by name."""
        arrays = layer_arrays("model", self.model)
        if self.scores is not None:
            arrays["scores"] = np.asarray(self.scores)
        for name, layer in (("set_encoder", self.set_encoder), ("mask_generator", self.mask_generator)):
            if layer is not None:
                arrays |= layer_arrays(name, layer)
        return arrays

    def metadata(self) -> dict[str, Any]:
        """Return what `load_reference` needs besides the arrays, as JSON content."""
        return {
            "backbone": self.backbone.to_config(),
            "normalization": self.normalization.to_config(),
            "description": self.description,
            "set_encoder": _layer_config(self.set_encoder),
            "mask_generator": _layer_config(self.mask_generator),
        }

    def save(self, path: Path, *, half_precision: bool = False) -> None:
        """Write it into one file.

        Args:
            path: The file, `.npz`.
            half_precision: Keep the network's kernels in float16, half of the size; all else stays as it is.
        """
        arrays = self.arrays()
        if half_precision:
            kernels = [name for name, value in arrays.items() if name.startswith("model/") and value.ndim > 1]
            arrays |= {name: arrays[name].astype("float16") for name in kernels}
        save_state(path, arrays, self.metadata())


def _check_trainable(model: keras.Model, channel_map: ChannelMap) -> None:
    """Refuse a network whose frozen kernels read channels: masks reach only what is trained."""
    trainable = {variable.path for variable in model.trainable_variables}
    for axis in channel_map.weight_axes:
        if axis.role == "consumer" and axis.path not in trainable:
            raise StampError(
                f"The backbone must train every kernel that reads channels, but {axis.path} is frozen; set its "
                "layer's trainable to True."
            )


def load_reference(path: Path) -> Reference:
    """Load what `Reference.save` wrote.

    Args:
        path: The file.

    Raises:
        StampError: If it is missing, truncated, not ours, or does not fit the networks it names.
    """
    arrays, metadata = load_state(path)
    return reference_from(arrays, metadata, path=path)


def as_reference(reference: Reference | str | Path, *, argument: str = "reference") -> Reference:
    """Return a reference, loading it where a run directory or a file of one is named.

    Args:
        reference: What a user may give.
        argument: What it is called in Python.

    Raises:
        StampError: If there is none at the place.
    """
    try:
        if isinstance(reference, Reference):
            require_finite(reference.arrays(), subject="Values of --from", remedy="use another reference")
            return reference
        if not isinstance(reference, str | Path):
            raise StampError(
                "--from must be a reference, a run directory or a file, but is of type "
                f"{type(reference).__name__}; give what pretrain or meta_train returned."
            )
        return load_reference(reference_file(as_path(reference, "--from")))
    except StampError as error:
        error.arguments.setdefault("from", argument)
        raise


def reference_from(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any], *, path: Path) -> Reference:
    """Build a reference from its arrays and description; `path` is for messages.

    Raises:
        StampError: If they do not fit each other.
    """
    check(
        metadata, ReferenceDescription, source=f"The description in {path}", remedy="use another checkpoint"
    )
    _check_not_retired(metadata, path=path)
    backbone = BackboneConfig.from_config(metadata["backbone"])
    normalization = Normalization.from_config(metadata["normalization"])
    layers = {name: metadata[name] for name in ("set_encoder", "mask_generator")}
    model = backbone.build()
    assign_arrays("model", model, arrays, path=path)
    derive_state(model)
    require_finite(
        arrays,
        subject=f"Values of the checkpoint {path}",
        remedy="use another, from before training diverged",
    )
    built = {name: _layer_from(name, config, arrays, path=path) for name, config in layers.items()}
    scores = arrays.get("scores")
    reference = Reference(
        backbone, model, scores, normalization, dict(metadata.get("description", {})), **built
    )
    num_channels = reference.channel_map.num_channels
    if scores is not None and scores.shape != (num_channels,):
        raise StampError(
            f"A checkpoint must have one score per channel ({num_channels}), but {path} has shape {scores.shape}; "
            "use another."
        )
    return reference


def _check_not_retired(metadata: Mapping[str, Any], *, path: Path) -> None:
    """Refuse a reference whose masks came from layers that are no more."""
    lost = [
        f"the {kind.replace('_', ' ')} {name!r}"
        for kind, names in _RETIRED.items()
        for name in names
        if (metadata[kind] or {}).get("name") == name
        and name not in stamp_registry.names(f"stamp_tf.{kind}s")
    ]
    if lost:
        raise StampError(
            f"A reference must make masks by layers that exist, but {path} has {' and '.join(lost)}, retired since; "
            "use another reference, such as the bundled one, or run pretrain and meta-train anew."
        )


def _layer_config(layer: keras.Layer | None) -> dict[str, Any] | None:
    """Return the registry name, configuration and input shape of a layer."""
    if layer is None:
        return None
    return {"name": layer.registry_name, "config": layer.get_config(), "shape": list(layer.built_shape)}


def _layer_from(
    name: str, description: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray], *, path: Path
) -> keras.Layer | None:
    if description is None:
        return None
    layer = make_layer(name + "s", description["name"], description["config"], shape=description["shape"])
    assign_arrays(name, layer, arrays, path=path)
    return layer


def make_layer(group: str, name: str, options: Mapping[str, Any], *, shape: Any) -> keras.Layer:
    """Build a registered set encoder or mask generator.

    Args:
        group: `set_encoders` or `mask_generators`.
        name: Its name in the registry.
        options: Its constructor's arguments.
        shape: The input shape it is built for, batch first.

    Raises:
        StampError: If it refuses its options.
    """
    plugin = PluginCode(f"stamp_tf.{group}", name)
    layer_class = stamp_registry.load(plugin.group, name)
    is_asked_for = bool(options.keys() - {"group_sizes"})
    # Paths must not depend on how many layers of the class were made before.
    options = {**options, "name": group.rstrip("s")}
    with layers_numbered_anew(), plugin.running():
        try:
            layer = layer_class(**options)
        except (TypeError, ValueError) as error:  # Keras answers unknown arguments with the latter
            if isinstance(error, StampError) or not is_asked_for:
                raise
            raise StampError(
                f"{name} must accept its options, but {options} gave '{error}'; leave the option out."
            ) from error
    check_layer(layer, group=group, name=name)
    with layers_numbered_anew(), plugin.running():
        layer.build(tuple(shape))
    if not stamp_registry.is_built_in(plugin.group, name):
        check_built(layer, group=group, name=name)
    layer.registry_name, layer.built_shape = name, tuple(shape)
    return layer


def _copied(layer: keras.Layer | None) -> keras.Layer | None:
    """Build a layer again with the same weights."""
    if layer is None:
        return None
    options = {key: value for key, value in layer.get_config().items() if key not in ("name", "dtype")}
    twin = make_layer(layer.name + "s", layer.registry_name, options, shape=layer.built_shape)
    twin.set_weights(layer.get_weights())
    return twin
