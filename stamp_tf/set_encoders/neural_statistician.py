"""The statistic network of the Neural Statistician as a set encoder."""

from typing import Any

import keras
from keras import ops

from stamp_tf.errors import StampError
from stamp_tf.set_encoders.set_encoder import SetEncoder


@keras.saving.register_keras_serializable(package="stamp_tf")
class NeuralStatistician(SetEncoder):
    """A random context c ~ N(mu, sigma^2) of the set, decoded into pseudo-images.

    A convolutional network per image, the mean over the set, and a network to mu and log sigma^2 of each of
    the r contexts. In training c is sampled and kl_scale * KL[q(c|X) || N(0, I)] / B is added to the losses:
    the paper's bound counts the context once per set, so a loss averaged over examples takes its B-th part.
    At inference c = mu and nothing is added. Memory is linear in B. The paper's likelihood has no part here:
    what the context must hold is decided by the loss of the masked network.

    Args:
        num_outputs: r, the number of contexts and pseudo-images.
        width: Number of features per element and per context; a multiple of 4.
        kl_scale: Weight of the KL term, at least 0.
        seed: Seed of the samples.
        resolution: Largest side in pixels that the encoder sees, see `SetEncoder`; None for all pixels.

    Raises:
        StampError: If an option is out of range.

    Source:
        Edwards and Storkey, "Towards a Neural Statistician", ICLR 2017.

    Example:
        >>> import numpy as np
        >>> from stamp_tf.set_encoders.neural_statistician import NeuralStatistician
        >>> images = np.random.default_rng(0).normal(size=(20, 32, 32, 3)).astype("float32")
        >>> encoder = NeuralStatistician()
        >>> tuple(encoder(images, training=True).shape), len(encoder.losses)
        ((1, 32, 32, 3), 1)
    """

    def __init__(
        self,
        *,
        num_outputs: int = 1,
        width: int = 64,
        kl_scale: float = 1.0,
        seed: int = 0,
        resolution: int | None = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_outputs=num_outputs, width=width, resolution=resolution, **kwargs)
        if width % 4:
            raise StampError(
                f"width must be a multiple of 4, but it is {width}; choose {width + 4 - width % 4}."
            )
        if not kl_scale >= 0:
            raise StampError(
                f"kl_scale must be at least 0, but it is {kl_scale}; give 0 to leave the term out."
            )
        self.kl_scale = kl_scale
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        policy = self.dtype_policy
        self.convolutions = [
            keras.layers.Conv2D(
                filters,
                3,
                strides=2,
                padding="same",
                activation="relu",
                data_format="channels_last",
                name=f"convolution_{index}",
                dtype=policy,
            )
            for index, filters in enumerate((width // 4, width // 2))
        ]
        self.element = keras.layers.Dense(width, activation="relu", name="element", dtype=policy)
        self.statistics = keras.layers.Dense(width, activation="relu", name="statistics", dtype=policy)
        self.statistics_norm = keras.layers.LayerNormalization(name="statistics_norm", dtype=policy)
        self.mean = keras.layers.Dense(num_outputs * width, name="mean", dtype=policy)
        # Training starts with little noise (sigma = 0.14): a backbone is probed with what is sampled here.
        self.log_variance = keras.layers.Dense(
            num_outputs * width,
            kernel_initializer="zeros",
            bias_initializer=keras.initializers.Constant(-4.0),
            name="log_variance",
            dtype=policy,
        )
        self.decoder = keras.layers.Dense(width, activation="relu", name="decoder", dtype=policy)
        self.decoder_norm = keras.layers.LayerNormalization(name="decoder_norm", dtype=policy)

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        shape = (None, *coarse_shape)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.flat_size = shape[1] * shape[2] * shape[3]
        self.element.build((None, self.flat_size))
        for layer in (self.statistics, self.statistics_norm, self.mean, self.log_variance):
            layer.build((1, self.width))
        self.decoder.build((self.num_outputs, self.width))
        self.decoder_norm.build((self.num_outputs, self.width))

    def posterior(self, coarse: Any) -> tuple[Any, Any]:
        """Return mu and log sigma^2 of the contexts.

        Args:
            coarse: Coarse images [B, h, w, D].

        Returns:
            Two tensors [r, width].
        """
        elements = coarse
        for convolution in self.convolutions:
            elements = convolution(elements)
        elements = self.element(ops.reshape(elements, (-1, self.flat_size)))
        statistics = self.statistics_norm(self.statistics(ops.mean(elements, axis=0, keepdims=True)))
        shape = (self.num_outputs, self.width)
        mean, log_variance = self.mean(statistics), self.log_variance(statistics)
        return ops.reshape(mean, shape), ops.clip(ops.reshape(log_variance, shape), -10.0, 10.0)

    def features(self, coarse: Any, training: bool) -> Any:
        context, log_variance = self.posterior(coarse)
        if training:
            divergence = 0.5 * ops.sum(context**2 + ops.exp(log_variance) - 1.0 - log_variance)
            self.add_loss(self.kl_scale * divergence / ops.cast(ops.shape(coarse)[0], divergence.dtype))
            noise = keras.random.normal(
                (self.num_outputs, self.width), dtype=self.compute_dtype, seed=self.seed_generator
            )
            context = context + ops.exp(0.5 * log_variance) * noise
        return self.decoder_norm(self.decoder(context))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"kl_scale": self.kl_scale, "seed": self.seed}
