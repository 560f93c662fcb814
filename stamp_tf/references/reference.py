"""The reference network with all that prunes it: what pretraining makes, meta-training improves, pruning uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from stamp_tf.channels import ChannelCut, ChannelMap, CostModel, TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization, StreamedSet
from stamp_tf.errors import StampError
from stamp_tf.layers.contracts import (
    check_finite,
    check_sample,
    checked_masks,
    checked_pseudo_images,
    num_outputs_of,
)
from stamp_tf.layers.make_layer import make_layer, twin_of
from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.layers.registered import MASK_GENERATOR, SET_ENCODER, RegisteredLayer
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.layer_arrays import layer_arrays
from stamp_tf.references.pixels.choice import PixelChoice, pixel_normalization
from stamp_tf.references.transfer import transfer_weights


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference:
    """A trained network, its channels, a score for each, and what makes masks from a set.

    Args:
        backbone: How the network was built.
        network: The network with its channels and their cost.
        normalization: Of the reference data set.
        pixels: Which scale the images of a model of somebody's own had; None for a network of ours, which takes
            every data set by its own mean and deviation.
        scores: Learnt score per channel `[C]`, or None after plain pretraining.
        set_encoder: Maps a set of images to its representation; None before meta-training.
        mask_generator: Maps what the representation excites to scores; None before meta-training.
        description: Where it comes from: data set, seeds, figures; JSON content.

    Raises:
        StampError: If it has no channels, or a kernel that reads them is not trained.
    """

    backbone: BackboneConfig
    network: TracedNetwork
    normalization: Normalization
    pixels: PixelChoice | None = None
    scores: np.ndarray | None = None
    set_encoder: RegisteredLayer | None = None
    mask_generator: RegisteredLayer | None = None
    description: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Without channels there is no cut, and it is said here.
        _check_trainable(self.model, self.cut.channel_map)

    @property
    def model(self) -> keras.Model:
        """The network itself."""
        return self.network.model

    @property
    def channel_map(self) -> ChannelMap:
        """Its channels."""
        return self.network.channel_map

    @property
    def cost_model(self) -> CostModel:
        """What its channels cost."""
        return self.network.cost_model

    @property
    def cut(self) -> ChannelCut:
        """From scores and a budget to a mask."""
        return self.network.cut

    @property
    def layers(self) -> tuple[RegisteredLayer, ...]:
        """Set encoder and mask generator, where there are any."""
        return tuple(layer for layer in (self.set_encoder, self.mask_generator) if layer is not None)

    def check_images(self, dataset: DataSet) -> None:
        """Refuse a data set whose images have another size.

        Raises:
            StampError: If they do.
        """
        if tuple(dataset.image_shape) != tuple(self.backbone.input_shape):
            raise StampError(
                f"`dataset` must have the reference's images {self.backbone.input_shape}, but has "
                f"{dataset.image_shape}; load it with that image_shape."
            )

    def normalization_for(self, images: ImageSet | StreamedSet) -> Normalization:
        """Return how a target's images are normalised: as the model was trained if it says so, else by their own
        mean and deviation.

        Args:
            images: The target's training images.
        """
        is_fixed = self.pixels is not None and self.pixels.is_fixed
        return self.normalization if is_fixed else Normalization.of(images)

    @property
    def learnt_scores(self) -> np.ndarray:
        """The score of every channel that training at budgets learnt, float32 `[C]`.

        Raises:
            StampError: If the reference was trained without budgets.
        """
        if self.scores is None:
            raise StampError(
                "`method=stamp` needs a reference trained at budgets or meta-trained, but this one is neither; "
                "run pretrain with `budget_epochs` or meta-train."
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
        pseudo_images = self._encode(self.set_encoder, normalization(images))
        check_finite(self.set_encoder, pseudo_images, what="pseudo-images")
        num_channels = self.channel_map.num_channels
        uniform = np.full((2, num_channels), 0.5, "float32")
        with self.mask_generator.plugin.running():
            pooled = self._excited(self.mask_generator.layer, pseudo_images)
            masks = self.mask_generator.layer(pooled, uniform)
        scores, sample, cost = checked_masks(self.mask_generator, masks, num_channels=num_channels)
        check_finite(self.mask_generator, scores, what="scores")
        check_sample(self.mask_generator, sample, cost)
        return keras.ops.convert_to_numpy(scores)

    def _encode(self, encoder: RegisteredLayer, images: Any) -> Any:
        """Return the pseudo-images of a set, as its encoder must give them."""
        with encoder.plugin.running():
            pseudo_images = encoder.layer(images)
        return checked_pseudo_images(encoder, pseudo_images, image_shape=self.backbone.input_shape)

    def _excited(self, mask_generator: MaskGenerator, images: Any) -> Any:
        """Return what a mask generator reads, for normalised images `[r, H, W, D]`."""
        return mask_generator.make_probe(self.model, self.channel_map)(
            [variable.value for variable in self.model.trainable_variables],
            [variable.value for variable in self.model.non_trainable_variables],
            images,
        )

    def copy(self) -> Reference:
        """Return a reference whose set encoder and mask generator can be trained without changing this one."""
        twins = {layer.kind: twin_of(layer) for layer in self.layers}
        return replace(self, set_encoder=twins.get(SET_ENCODER), mask_generator=twins.get(MASK_GENERATOR))

    def with_new_layers(
        self,
        *,
        set_encoder: tuple[str, Mapping[str, Any]],
        mask_generator: tuple[str, Mapping[str, Any]],
    ) -> Reference:
        """Return a reference with a fresh set encoder, and a mask generator that starts from the learnt scores.

        Args:
            set_encoder: Its name in the registry, and its options.
            mask_generator: The same.

        Raises:
            StampError: If one refuses its options.
        """
        image_shape, group_sizes = self.backbone.input_shape, list(self.channel_map.group_sizes)
        encoder = make_layer(SET_ENCODER, *set_encoder, shape=(None, *image_shape))
        name, options = mask_generator
        generator = make_layer(
            MASK_GENERATOR,
            name,
            {"group_sizes": group_sizes, **options},
            shape=(num_outputs_of(encoder, image_shape), sum(group_sizes)),
        )
        if self.scores is not None:
            with generator.plugin.running():
                generator.layer.start_from(np.array(self.scores))
        return replace(self, set_encoder=encoder, mask_generator=generator)

    def in_float32(self) -> Reference:
        """Return the same reference with networks that compute in float32."""
        model = self.backbone.build()
        transfer_weights(self.model, model)
        return replace(self, network=TracedNetwork.of(model))

    def with_pixels(self, chosen: PixelChoice) -> Reference:
        """Return a reference whose images are scaled in another way; its networks are the same.

        Args:
            chosen: The scale, and where it comes from.

        Raises:
            StampError: If the scale needs another depth.
        """
        normalization = pixel_normalization(chosen.scale, self.backbone.input_shape[2])
        return replace(self, normalization=normalization, pixels=chosen)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every value by name."""
        arrays = layer_arrays("model", self.model)
        if self.scores is not None:
            arrays["scores"] = np.asarray(self.scores)
        for made in self.layers:
            arrays |= layer_arrays(made.kind.name, made.layer)
        return arrays


def _check_trainable(model: keras.Model, channel_map: ChannelMap) -> None:
    """Refuse a network whose frozen kernels read channels: masks reach only what is trained."""
    trainable = {variable.path for variable in model.trainable_variables}
    for axis in channel_map.weight_axes:
        if axis.role == "consumer" and axis.path not in trainable:
            raise StampError(
                f"The backbone must train every kernel that reads channels, but {axis.path} is frozen; set its "
                "layer's trainable to True."
            )
