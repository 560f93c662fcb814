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

    Called with queries [b, n, q] and keys [b, m, k] it returns [b, n, width]; b may be 1 in one of them.
    It does not change when the keys are reordered, and follows the queries when those are.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        layer_normalization: Whether Norm is layer normalisation, rather than nothing.

    Raises:
        ValueError: If `num_heads` does not divide `width`.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import MAB
        >>> queries, keys = np.zeros((1, 2, 5), "float32"), np.zeros((1, 7, 3), "float32")
        >>> tuple(MAB(8, num_heads=2)(queries, keys).shape)
        (1, 2, 8)
    """

    def __init__(self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or width < 1 or width % num_heads:
            raise ValueError(
                f"num_heads must be positive and divide width, but num_heads={num_heads} and width={width}; "
                "choose a width that is a multiple of num_heads."
            )
        self.width = width
        self.num_heads = num_heads
        self.layer_normalization = layer_normalization
        self.query_projection = self._dense("query")
        # A bias on the keys adds one constant to all logits of a query: softmax cancels it, so it has no gradient.
        self.key_projection = self._dense("key", use_bias=False)
        self.value_projection = self._dense("value")
        self.output_projection = self._dense("output", activation="relu")
        if layer_normalization:
            self.attention_norm = keras.layers.LayerNormalization(name="attention_norm", dtype=self.dtype_policy)
            self.output_norm = keras.layers.LayerNormalization(name="output_norm", dtype=self.dtype_policy)

    def _dense(self, name: str, **kwargs: Any) -> keras.layers.Dense:
        return keras.layers.Dense(self.width, name=name, dtype=self.dtype_policy, **kwargs)

    def build(self, queries_shape: Shape, keys_shape: Shape) -> None:
        self.query_projection.build(queries_shape)
        self.key_projection.build(keys_shape)
        self.value_projection.build(keys_shape)
        hidden = (*queries_shape[:-1], self.width)
        self.output_projection.build(hidden)
        if self.layer_normalization:
            self.attention_norm.build(hidden)
            self.output_norm.build(hidden)

    def _split_heads(self, features: Any) -> Any:
        """[b, n, width] -> [b, num_heads, n, width / num_heads]."""
        batch, size = ops.shape(features)[:2]
        heads = ops.reshape(features, (batch, size, self.num_heads, self.width // self.num_heads))
        return ops.transpose(heads, (0, 2, 1, 3))

    def _weights(self, queries: Any, keys: Any) -> Any:
        """A [b, num_heads, n, m] of projected queries and keys."""
        # Scaling the queries instead of the logits saves a pass over the largest tensor.
        scaled = self._split_heads(queries) / (self.width // self.num_heads) ** 0.5
        logits = ops.matmul(scaled, ops.transpose(self._split_heads(keys), (0, 1, 3, 2)))
        if logits.shape[-1] == 1:
            # One key gets all the weight. Keras warns of such a softmax; the gradient of zero stays defined.
            return ops.zeros_like(logits) * logits + 1
        # Half precision cannot add up thousands of weights.
        wide = keras.backend.result_type(logits.dtype, "float32")
        return ops.cast(ops.softmax(ops.cast(logits, wide), axis=-1), logits.dtype)

    def attention_weights(self, queries: Any, keys: Any) -> Any:
        """Return A, the share of each key in each query's answer.

        Args:
            queries: [b, n, q].
            keys: [b, m, k].

        Returns:
            [b, num_heads, n, m], non-negative, summing to 1 over m.
        """
        return self._weights(self.query_projection(queries), self.key_projection(keys))

    def call(self, queries: Any, keys: Any) -> Any:
        projected = self.query_projection(queries)
        weights = self._weights(projected, self.key_projection(keys))
        answers = ops.transpose(ops.matmul(weights, self._split_heads(self.value_projection(keys))), (0, 2, 1, 3))
        batch, size = ops.shape(answers)[:2]
        hidden = projected + ops.reshape(answers, (batch, size, self.width))
        if self.layer_normalization:
            hidden = self.attention_norm(hidden)
        hidden = hidden + self.output_projection(hidden)
        return self.output_norm(hidden) if self.layer_normalization else hidden

    def compute_output_shape(self, queries_shape: Shape, keys_shape: Shape) -> Shape:
        batch = keys_shape[0] if queries_shape[0] == 1 else queries_shape[0]
        return (batch, queries_shape[1], self.width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "width": self.width,
            "num_heads": self.num_heads,
            "layer_normalization": self.layer_normalization,
        }


class _OneInput(keras.layers.Layer):
    """What SAB, ISAB and PMA share: options of their MABs, and a call on one tensor [b, n, d]."""

    def __init__(self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any) -> None:
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

    [b, n, d] -> [b, n, width], permutation-equivariant. Time and memory grow with n squared.

    Args:
        width: Number of features of the result.
        num_heads: Number of heads; must divide `width`.
        layer_normalization: Whether to normalise, see `MAB`.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.layers.attention import SAB
        >>> tuple(SAB(8, num_heads=2)(np.zeros((1, 7, 3), "float32")).shape)
        (1, 7, 8)
    """

    def __init__(self, width: int, num_heads: int = 4, *, layer_normalization: bool = True, **kwargs: Any) -> None:
        super().__init__(width, num_heads, layer_normalization=layer_normalization, **kwargs)
        self.block = self._mab("block")

    def build(self, inputs_shape: Shape) -> None:
        self.block.build(inputs_shape, inputs_shape)

    def call(self, inputs: Any) -> Any:
        return self.block(inputs, inputs)


@keras.saving.register_keras_serializable(package="stamp_tf")
class ISAB(_OneInput):
    """Induced set attention block: MAB(X, MAB(I, X)) with learnt inducing points I.

    [b, n, d] -> [b, n, width], permutation-equivariant. Time and memory grow with n times the number of
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
        >>> tuple(ISAB(8, num_heads=2, num_inducing_points=3)(np.zeros((1, 7, 3), "float32")).shape)
        (1, 7, 8)
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
                f"num_inducing_points must be at least 1, but it is {num_inducing_points}; use SAB to do without."
            )
        self.num_inducing_points = num_inducing_points
        self.gather = self._mab("gather")
        self.scatter = self._mab("scatter")

    def build(self, inputs_shape: Shape) -> None:
        self.inducing_points = self.add_weight(
            shape=(self.num_inducing_points, self.width), initializer="glorot_uniform", name="inducing_points"
        )
        self.gather.build((1, self.num_inducing_points, self.width), inputs_shape)
        self.scatter.build(inputs_shape, (inputs_shape[0], self.num_inducing_points, self.width))

    def call(self, inputs: Any) -> Any:
        summary = self.gather(ops.expand_dims(self.inducing_points, 0), inputs)
        return self.scatter(inputs, summary)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_inducing_points": self.num_inducing_points}


@keras.saving.register_keras_serializable(package="stamp_tf")
class PMA(_OneInput):
    """Pooling by multi-head attention: MAB(S, relu(rF(X))) with r learnt seed vectors S.

    [b, n, d] -> [b, r, width], permutation-invariant.

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
        >>> tuple(PMA(8, num_heads=2, num_seeds=3)(np.zeros((1, 7, 5), "float32")).shape)
        (1, 3, 8)
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
            raise ValueError(f"num_seeds must be at least 1, but it is {num_seeds}; give the number of results.")
        self.num_seeds = num_seeds
        self.element_projection = keras.layers.Dense(width, activation="relu", name="element", dtype=self.dtype_policy)
        self.block = self._mab("block")

    def build(self, inputs_shape: Shape) -> None:
        self.seeds = self.add_weight(shape=(self.num_seeds, self.width), initializer="glorot_uniform", name="seeds")
        self.element_projection.build(inputs_shape)
        self.block.build((1, self.num_seeds, self.width), (*inputs_shape[:-1], self.width))

    def call(self, inputs: Any) -> Any:
        return self.block(ops.expand_dims(self.seeds, 0), self.element_projection(inputs))

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        return (inputs_shape[0], self.num_seeds, self.width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_seeds": self.num_seeds}
