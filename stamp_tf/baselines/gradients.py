"""What weights times their gradients are on the target's images, and a head that these gradients come through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from stamp_tf.backbones.head import head_layer
from stamp_tf.backend import compile_step, value_and_gradient
from stamp_tf.channels import ChannelMap
from stamp_tf.data import ImageSet
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.losses import classification_loss
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.tensor import Tensor
from stamp_tf.training.fit_head import fit_head


def filters_of(model: keras.Model, channel_map: ChannelMap) -> list[keras.Variable]:
    """Return the kernels that make channels, frozen ones among them."""
    made_by = {axis.path for axis in channel_map.weight_axes if axis.role == "producer"}
    return [weight for weight in _variables(model) if weight.path in made_by and len(weight.shape) > 1]


def compile_products(
    model: keras.Model, kernels: Sequence[keras.Variable], *, end: End, training: bool = False
) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """Return `step(images, labels)` to w * dL/dw of some kernels, each of its shape; nothing is assigned.

    Args:
        model: A network of logits.
        kernels: Variables of it.
        end: What was taken off the network; says which loss fits.
        training: Whether batch normalisation goes by the batch's statistics.
    """
    num_trainable, variables = len(model.trainable_variables), _variables(model)
    place_of = {id(variable): place for place, variable in enumerate(variables)}
    places = [place_of[id(kernel)] for kernel in kernels]

    def step(images: Tensor, labels: Tensor) -> list[Tensor]:
        values = [variable.value for variable in variables]

        def loss(given: list[Tensor]) -> tuple[Tensor, None]:
            weights = list(values)
            for place, value in zip(places, given, strict=True):
                weights[place] = value
            logits, _ = model.stateless_call(
                weights[:num_trainable], weights[num_trainable:], images, training=training
            )
            return classification_loss(logits, labels, end), None

        given = [values[place] for place in places]
        _, gradients = value_and_gradient(loss, given)
        return [value * gradient for value, gradient in zip(given, gradients, strict=True)]

    # Named here, the weights go into the compiled step as values and not as constants.
    return compile_step(step, model.variables)


def check_ridge_head(model: keras.Model) -> None:
    """Refuse a network whose last layer no closed form fits.

    Args:
        model: The network.

    Raises:
        StampError: If it ends in something else than a dense layer.
    """
    try:
        head_layer(model)
    except StampError:
        raise StampError(
            f"`options.head=ridge` needs a network that ends in a dense layer without activation, but "
            f"{model.name} does not; add `options.head=own`."
        ) from None


@contextmanager
def ridge_head(problem: PruningProblem, part: ImageSet) -> Iterator[None]:
    """Give the network a head for these images, and put the old one back.

    Args:
        problem: With the network.
        part: Images and labels.

    Raises:
        StampError: If the network ends in something else than a dense layer.
    """
    model = problem.model
    check_ridge_head(model)
    weights = head_layer(model).weights
    before = [np.array(ops.convert_to_numpy(weight)) for weight in weights]
    end = problem.reference.backbone.end
    fit_head(model, part, normalization=problem.normalization, end=end, method="ridge")
    try:
        yield
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Return all variables, frozen kernels among them, in the order that `stateless_call` takes them in."""
    return [*model.trainable_variables, *model.non_trainable_variables]
