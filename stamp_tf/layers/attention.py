"""Attention blocks on sets: MAB, SAB, ISAB and PMA.

Reference: Lee et al., "Set Transformer", ICML 2019 (sections 3.1 and 3.2).
"""

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="stamp_tf")
class MAB(keras.layers.Layer):
    """Multi-head attention block: every query looks at every key.

    With Q' = Q Wq, K' = K Wk, V' = K Wv split into heads of d = width / num_heads features,

        A = softmax(Q' K'^T / sqrt(d)),   H = Norm(Q' + A V'),   MAB(Q, K) = Norm(H + relu(H Wo)).

    Queries [..., n, q] and keys [..., m, k] give [..., n, width]; leading axes broadcast, and a single set
    needs none. Reordering the keys changes nothing, reordering the queries reorders the result.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        layer_normalization: Whether Norm is layer normalisation, rather than nothing.

    Raises:
        ValueError: If `num_heads` does not divide `width`.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import MAB
        >>> queries, keys = np.zeros((2, 5), "float32"), np.zeros((7, 3), "float32")
        >>> tuple(MAB(8, num_heads=2)(queries, keys).shape)
        (2, 8)
    """

    def __init__(
        self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or width < 1 or width % num_heads:
            raise ValueError(
                f"num_heads must be positive and divide width, but num_heads={num_heads} and width={width}; "
                "choose a width that is a multiple of num_heads."
            )
        self.width = width
        self.num_heads = num_heads
        self.layer_normalization = layer_normalization
        self.query_projection = keras.layers.Dense(width, name="query", dtype=self.dtype_policy)
        # No bias on the keys, softmax would cancel it; nor on the values, it would only add to the queries'.
        self.key_projection = keras.layers.Dense(width, use_bias=False, name="key", dtype=self.dtype_policy)
        self.value_projection = keras.layers.Dense(
            width, use_bias=False, name="value", dtype=self.dtype_policy
        )
        self.output_projection = keras.layers.Dense(
            width, activation="relu", name="output", dtype=self.dtype_policy
        )
        if layer_normalization:
            self.attention_norm = keras.layers.LayerNormalization(
                name="attention_norm", dtype=self.dtype_policy
            )
            self.output_norm = keras.layers.LayerNormalization(name="output_norm", dtype=self.dtype_policy)

    def build(self, queries_shape: Shape, keys_shape: Shape) -> None:
        self.query_projection.build(queries_shape)
        self.key_projection.build(keys_shape)
        self.value_projection.build(keys_shape)
        hidden = (*queries_shape[:-1], self.width)
        self.output_projection.build(hidden)
        if self.layer_normalization:
            self.attention_norm.build(hidden)
            self.output_norm.build(hidden)

    def attention_weights(self, queries: Any, keys: Any) -> Any:
        """Return A, the share of each key in each query's answer.

        Args:
            queries: [..., n, q].
            keys: [..., m, k].

        Returns:
            [..., num_heads, n, m], non-negative, summing to 1 over m.
        """
        return self._weights(self.query_projection(queries), self.key_projection(keys))

    def call(self, queries: Any, keys: Any) -> Any:
        queries = self.query_projection(queries)
        weights = self._weights(queries, self.key_projection(keys))
        answers = ops.matmul(weights, self._split_heads(self.value_projection(keys)))
        answers = ops.swapaxes(answers, -2, -3)
        hidden = queries + ops.reshape(answers, (*ops.shape(answers)[:-2], self.width))
        if self.layer_normalization:
            hidden = self.attention_norm(hidden)
        hidden = hidden + self.output_projection(hidden)
        return self.output_norm(hidden) if self.layer_normalization else hidden

    def _split_heads(self, features: Any) -> Any:
        """[..., n, width] -> [..., num_heads, n, width / num_heads]."""
        heads = (*ops.shape(features)[:-1], self.num_heads, self.width // self.num_heads)
        return ops.swapaxes(ops.reshape(features, heads), -2, -3)

    def _weights(self, queries: Any, keys: Any) -> Any:
        # Scaling the queries instead of the logits saves a pass over the largest tensor.
        queries = queries / (self.width // self.num_heads) ** 0.5
        logits = ops.matmul(self._split_heads(queries), ops.swapaxes(self._split_heads(keys), -1, -2))
        if logits.shape[-1] == 1:
            # One key gets all the weight. Keras warns of such a softmax; the gradient of zero stays defined.
            return ops.zeros_like(logits) * logits + 1
        # Half precision cannot add up thousands of weights.
        wide = keras.backend.result_type(logits.dtype, "float32")
        return ops.cast(ops.softmax(ops.cast(logits, wide), axis=-1), logits.dtype)

    def compute_output_shape(self, queries_shape: Shape, keys_shape: Shape) -> Shape:
        batch = max(queries_shape[:-2], keys_shape[:-2], key=len)
        return (*batch, queries_shape[-2], self.width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "width": self.width,
            "num_heads": self.num_heads,
            "layer_normalization": self.layer_normalization,
        }


class _OneInput(keras.layers.Layer):
    """What SAB, ISAB and PMA share: options of their MABs, and a call on one tensor [..., n, d]."""

    def __init__(
        self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.num_heads = num_heads
        self.layer_normalization = layer_normalization

    def _mab(self, name: str) -> MAB:
        return MAB(
            self.width,
            self.num_heads,
            layer_normalization=self.layer_normalization,
            name=name,
            dtype=self.dtype_policy,
        )

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return (*inputs_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "width": self.width,
            "num_heads": self.num_heads,
            "layer_normalization": self.layer_normalization,
        }


@keras.saving.register_keras_serializable(package="stamp_tf")
class SAB(_OneInput):
    """Set attention block: MAB(X, X), each element looks at all others.

    [..., n, d] -> [..., n, width], permutation-equivariant. Time and memory grow with n squared.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        layer_normalization: Whether to normalise, see `MAB`.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import SAB
        >>> tuple(SAB(8, num_heads=2)(np.zeros((7, 3), "float32")).shape)
        (7, 8)
    """

    def __init__(
        self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(width, num_heads, layer_normalization=layer_normalization, **kwargs)
        self.block = self._mab("block")

    def build(self, inputs_shape: Shape) -> None:
        self.block.build(inputs_shape, inputs_shape)

    def call(self, inputs: Any) -> Any:
        return self.block(inputs, inputs)


@keras.saving.register_keras_serializable(package="stamp_tf")
class ISAB(_OneInput):
    """Induced set attention block: MAB(X, MAB(I, X)) with learnt inducing points I.

    [..., n, d] -> [..., n, width], permutation-equivariant. Time and memory grow with n times the number of
    inducing points, so linearly in n.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        num_inducing_points: Number of learnt points through which the elements see each other.
        layer_normalization: Whether to normalise, see `MAB`.

    Raises:
        ValueError: If `num_inducing_points` is not positive.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import ISAB
        >>> tuple(ISAB(8, num_heads=2, num_inducing_points=3)(np.zeros((7, 3), "float32")).shape)
        (7, 8)
    """

    def __init__(
        self,
        width: int,
        num_heads: int = 4,
        *,
        num_inducing_points: int = 16,
        layer_normalization: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(width, num_heads, layer_normalization=layer_normalization, **kwargs)
        if num_inducing_points < 1:
            raise ValueError(
                f"num_inducing_points must be at least 1, but it is {num_inducing_points}; "
                "use SAB to do without."
            )
        self.num_inducing_points = num_inducing_points
        self.gather = self._mab("gather")
        self.scatter = self._mab("scatter")

    def build(self, inputs_shape: Shape) -> None:
        self.inducing_points = self.add_weight(
            shape=(self.num_inducing_points, self.width), initializer="glorot_uniform", name="inducing_points"
        )
        self.gather.build((self.num_inducing_points, self.width), inputs_shape)
        self.scatter.build(inputs_shape, (*inputs_shape[:-2], self.num_inducing_points, self.width))

    def call(self, inputs: Any) -> Any:
        summary = self.gather(self.inducing_points, inputs)
        return self.scatter(inputs, summary)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_inducing_points": self.num_inducing_points}


@keras.saving.register_keras_serializable(package="stamp_tf")
class PMA(_OneInput):
    """Pooling by multi-head attention: MAB(S, relu(rF(X))) with r learnt seed vectors S.

    [..., n, d] -> [..., r, width], permutation-invariant.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        num_seeds: r, the number of seed vectors.
        layer_normalization: Whether to normalise, see `MAB`.

    Raises:
        ValueError: If `num_seeds` is not positive.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import PMA
        >>> tuple(PMA(8, num_heads=2, num_seeds=3)(np.zeros((7, 5), "float32")).shape)
        (3, 8)
    """

    def __init__(
        self,
        width: int,
        num_heads: int = 4,
        *,
        num_seeds: int = 1,
        layer_normalization: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(width, num_heads, layer_normalization=layer_normalization, **kwargs)
        if num_seeds < 1:
            raise ValueError(
                f"num_seeds must be at least 1, but it is {num_seeds}; give the number of results."
            )
        self.num_seeds = num_seeds
        self.element_projection = keras.layers.Dense(
            width, activation="relu", name="element", dtype=self.dtype_policy
        )
        self.block = self._mab("block")

    def build(self, inputs_shape: Shape) -> None:
        self.seeds = self.add_weight(
            shape=(self.num_seeds, self.width), initializer="glorot_uniform", name="seeds"
        )
        self.element_projection.build(inputs_shape)
        self.block.build((self.num_seeds, self.width), (*inputs_shape[:-1], self.width))

    def call(self, inputs: Any) -> Any:
        return self.block(self.seeds, self.element_projection(inputs))

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return (*inputs_shape[:-2], self.num_seeds, self.width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_seeds": self.num_seeds}
