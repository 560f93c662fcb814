"""The same pseudo-images for every set: a control, which knows nothing of the data."""

from typing import Any

import keras
from keras import ops

from stamp_tf.set_encoders.set_encoder import SetEncoder


@keras.saving.register_keras_serializable(package="stamp_tf_control")
class Constant(SetEncoder):
    """Learnt pseudo-images that are given whatever the set is.

    Masks that follow from it are the same for all data sets, so that another encoder's lead over it is what the
    set is worth.

    Args:
        num_outputs: r, the number of pseudo-images.
        width: Number of features per result.
        resolution: Largest side in pixels of what is learnt, see `SetEncoder`; None for all pixels.

    Raises:
        StampError: If an option is not positive.

    Example:
        >>> import numpy as np
        >>> from stamp_tf_control import Constant
        >>> tuple(Constant()(np.zeros((20, 32, 32, 3), "float32")).shape)
        (1, 32, 32, 3)
    """

    def build_features(self, coarse_shape: tuple[int, int, int]) -> None:
        self.learnt_features = self.add_weight(
            shape=(self.num_outputs, self.width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="features",
        )

    def features(self, coarse: Any, training: bool) -> Any:
        return ops.convert_to_tensor(self.learnt_features)
