"""The loss of one task: set representation -> scores -> mask -> masked network (Eq. 2, 3, 12-14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from stamp_tf.channels import ChannelCut, add_logistic_noise, mask_kernels
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.layers.contracts import checked_masks, checked_pseudo_images, training_argument
from stamp_tf.layers.registered import RegisteredLayer
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.options.meta_train import Sparsity
from stamp_tf.tensor import Tensor
from stamp_tf.training.forward import forward


@dataclass(frozen=True)
class Parts:
    """How phi = {W, pi, theta}, a flat list of tensors, divides.

    Args:
        num_weights: Tensors of the backbone W, which come first.
        num_generator: Tensors of the mask generator pi.
        num_encoder: Tensors of the set encoder theta.
    """

    num_weights: int
    num_generator: int
    num_encoder: int

    def split(self, phi: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return the parts of a flat list."""
        first, second = self.num_weights, self.num_weights + self.num_generator
        return list(phi[:first]), list(phi[first:second]), list(phi[second:])

    def spread(self, weights: float, generator: float, encoder: float) -> list[float]:
        """Return one number per tensor, by part."""
        return [weights] * self.num_weights + [generator] * self.num_generator + [encoder] * self.num_encoder


class StampObjective:
    """The STAMP loss as a pure function of phi and the batch.

    Args:
        model: The backbone, with the task's number of logits.
        mask_generator: pi.
        set_encoder: theta.
        cut: The budget function.
        sparsity: `budgets` cuts noisy scores at a given budget, straight-through; `kl` samples the generator's
            mask and adds its prior, as published.
        kl_scale: Factor on KL / number of training examples.
        end: What was taken off the backbone; says which loss fits.

    Raises:
        StampError: If `kl` is asked of a generator without a prior.
    """

    def __init__(
        self,
        model: keras.Model,
        mask_generator: RegisteredLayer,
        *,
        set_encoder: RegisteredLayer,
        cut: ChannelCut,
        sparsity: Sparsity = "budgets",
        kl_scale: float = 1.0,
        end: End = LOGITS,
    ) -> None:
        if sparsity == "kl" and not mask_generator.layer.has_prior:
            raise StampError(
                f"`sparsity=kl` needs a mask generator with a prior, but {mask_generator.name} has none; "
                "use `mask_generator=beta-bernoulli` or `sparsity=budgets`."
            )
        self.model = model
        self.mask_generator = mask_generator
        self.set_encoder = set_encoder
        self.cut = cut
        self.sparsity = sparsity
        self.kl_scale = kl_scale
        self.end = end
        with mask_generator.plugin.running():
            self.probe = mask_generator.layer.make_probe(model, cut.channel_map)
        self.parts = Parts(
            len(model.trainable_variables),
            len(mask_generator.layer.trainable_variables),
            len(set_encoder.layer.trainable_variables),
        )
        self.paths = [variable.path for variable in model.trainable_variables]

    @property
    def variables(self) -> list[keras.Variable]:
        """Phi as variables, in the order of the pure function's argument."""
        return [
            *self.model.trainable_variables,
            *self.mask_generator.layer.trainable_variables,
            *self.set_encoder.layer.trainable_variables,
        ]

    @property
    def statistics(self) -> list[keras.Variable]:
        """The backbone's batch-norm statistics."""
        return self.model.non_trainable_variables

    def generate(
        self,
        phi: Sequence[Tensor],
        statistics: Sequence[Tensor],
        images: Tensor,
        *,
        uniform: Tensor,
        training: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores `[C]`, a sampled mask `[C]` and the prior's cost for a set.

        Args:
            phi: Flat values of W, pi, theta.
            statistics: Values of the backbone's statistics.
            images: The set, float32 `[B, H, W, D]`.
            uniform: Numbers in (0, 1), `[2, C]`.
            training: Whether the encoder samples.
        """
        weights, generator, encoder = self.parts.split(phi)
        made = self.set_encoder
        state = [_state(variable, uniform) for variable in made.layer.non_trainable_variables]
        with made.plugin.running():
            pseudo_images, _, losses = made.layer.stateless_call(
                encoder, state, images, return_losses=True, **training_argument(made.layer, training)
            )
        pseudo_images = checked_pseudo_images(made, pseudo_images, image_shape=images.shape[1:])
        made = self.mask_generator
        state = [variable.value for variable in made.layer.non_trainable_variables]
        with made.plugin.running():
            pooled = self.probe(weights, statistics, pseudo_images)
            masks, _ = made.layer.stateless_call(generator, state, pooled, uniform)
        scores, sample, kl = checked_masks(made, masks, num_channels=self.cut.num_channels)
        return scores, sample, kl + sum(losses)

    def __call__(
        self,
        phi: Sequence[Tensor],
        statistics: Sequence[Tensor],
        images: Tensor,
        *,
        labels: Tensor,
        set_images: Tensor,
        uniform: Tensor,
        limits: Tensor,
        num_examples: float,
    ) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
        """Return the loss on a mini-batch, the new statistics and the figures.

        Args:
            phi: Flat values of W, pi, theta.
            statistics: Values of the backbone's statistics.
            images: Mini-batch, float32 `[b, H, W, D]`.
            labels: int32 `[b]`.
            set_images: The whole set, float32 `[B, H, W, D]`.
            uniform: Numbers in (0, 1), `[2, C]`.
            limits: Limits on (parameters, FLOPs), `[2]`; ignored by `kl`.
            num_examples: |D|, by which the prior is divided.
        """
        scores, sample, kl = self.generate(phi, statistics, set_images, uniform=uniform, training=True)
        if self.sparsity == "budgets":
            mask = self.cut.straight_through(add_logistic_noise(scores, uniform[0]), limits)
            prior = 0.0 * kl
        else:
            mask = sample
            prior = self.kl_scale / num_examples * kl
        weights = self.parts.split(phi)[0]
        masked = mask_kernels(self.cut.channel_map, self.paths, weights=weights, mask=mask)
        logits, new_statistics = forward(self.model, masked, statistics, images=images)
        loss = classification_loss(logits, labels, self.end)
        figures = {
            "loss": loss,
            "prior": prior,
            "accuracy": accuracy(logits, labels),
            "keep_ratio": ops.mean(mask),
        }
        return loss + prior, (new_statistics, figures)


def _state(variable: keras.Variable, uniform: Tensor) -> Tensor:
    """Return a value that is not trained; a random generator is seeded from the numbers passed in.

    Its own state would stay what it was at the start, and every mini-batch would draw the same.
    """
    if not variable.path.endswith("seed_generator_state"):
        return variable.value
    return ops.cast(uniform[:, 0] * 2**31, variable.dtype)
