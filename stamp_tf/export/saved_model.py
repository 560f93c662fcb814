"""A SavedModel that a process without stamp-tf loads: images as they are in, names and probabilities out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Normalization
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.export.calling import calling_of
from stamp_tf.export.contract import check_exportable
from stamp_tf.export.given_images import (
    NO_NUMBERS,
    NUMBERS,
    as_batch,
    as_numbers,
    in_depth,
    refusal_of_nothing,
    refusal_of_other_scales,
)
from stamp_tf.export.pillow_resize import resize_as_pillow
from stamp_tf.export.plain import plain_copy
from stamp_tf.export.scaling import scale_and_shift
from stamp_tf.export.staging import staged
from stamp_tf.losses import class_probabilities
from stamp_tf.storage.overwriting import foreign_file
from stamp_tf.storage.writing import refusal


def export_saved_model(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write a SavedModel that takes pixels as they are, whole or not at all.

    Loaded, it is called with images `[B, height, width, D]` of any size and number, or with one image without the
    batch, which is answered as a batch of one: pixels in [0, 255] of any type of number. They are made grey or coloured
    as the network takes them, resized as in training and normalised inside; truth values, text and other shapes are
    refused. It answers with a dictionary: `class_name`, string `[B]`, of the likeliest class; `probabilities`, float32
    `[B, classes]`; `logits` before them. Signatures, of which readers such as TFLite's converter take the first, have
    one type and shape each, and TensorFlow itself refuses others in its own words:

    - `serving_default`: the same for float32 `[B, height, width, D]`. It refuses what cannot be pixels in [0, 255]:
      values beyond, and batches without any above 1 that hold fractions, which are scaled to [0, 1].
    - `serving_uint8`: the same for uint8.

    `of_own_size` of what was loaded takes uint8 `[B, H, W, D]` of the network's size and skips resizing.
    `class_names()` of what was loaded lists the classes. For readers without TensorFlow they lie as
    a JSON list in `assets.extra/class_names.json`, and how to call it in `assets.extra/contract.json`.

    Args:
        model: A functional model from normalised images [B, H, W, D] to logits [B, classes], or to what your own
            model ended in; see `split_end`.
        path: The folder to write; an earlier SavedModel of ours there is replaced.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Name of the image argument.

    Returns:
        The folder.

    Raises:
        StampError: If the parts do not fit, if `path` holds something else than a SavedModel, or if it cannot
            be written.

    Example:
        >>> network = tf.saved_model.load("runs/c10/saved_model")
        >>> network(images)["class_name"]
    """
    path = Path(path)
    image_shape = check_exportable(model, class_names=class_names, normalization=normalization)
    _check_replaceable(path)
    logits, end = split_end(plain_copy(model))
    module = _Classifier(
        logits, end, class_names=class_names, normalization=normalization, input_name=input_name
    )
    contract = calling_of(image_shape, class_names, end).to_json()
    with staged(path) as folder:
        try:
            tf.saved_model.save(
                module,
                str(folder),
                {"serving_default": module.classify_float, "serving_uint8": module.classify_uint8},
            )
        except tf.errors.OpError as error:
            raise refusal(path, error) from error
        extra = folder / "assets.extra"
        extra.mkdir()
        for name, content in (("class_names", list(class_names)), ("contract", contract)):
            text = json.dumps(content, ensure_ascii=False, indent=None if name == "class_names" else 2)
            (extra / f"{name}.json").write_text(f"{text}\n", "utf-8")
    return path


class _Classifier(tf.Module):
    """What is saved: TensorFlow alone, without a Keras object that would have to be rebuilt on loading."""

    def __init__(
        self,
        model: keras.Model,
        end: End,
        *,
        class_names: Sequence[str],
        normalization: Normalization,
        input_name: str,
    ) -> None:
        super().__init__()
        # Only the variables are tracked.
        self.weights = [variable.value for variable in model.variables]
        height, width, depth = model.inputs[0].shape[1:]
        names = tf.constant(tuple(class_names), tf.string)
        network = _from_pixels(model, end, names=names, normalization=normalization)

        def spec(dtype: tf.DType, *size: int | None) -> tf.TensorSpec:
            return tf.TensorSpec((None, *(size or (None, None)), depth), dtype, name=input_name)

        # The network is in the file once, and so is the road to it from any shape, however many types are taken.
        self.network = tf.function(network, input_signature=[spec(tf.float32, height, width)])

        def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.network(resize_as_pillow(image, height, width))

        self.answer = tf.function(answer, input_signature=[spec(tf.float32)])

        # To resize what has the size already takes as long as a small network.
        def of_own_size(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.network(tf.cast(image, tf.float32))

        self.of_own_size = tf.function(of_own_size, input_signature=[spec(tf.uint8, height, width)])

        def classify_float(image: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.control_dependencies([refusal_of_nothing(image), refusal_of_other_scales(image)]):
                return self.answer(tf.cast(image, tf.float32))

        def classify_uint8(image: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.control_dependencies([refusal_of_nothing(image)]):
                return self.answer(tf.cast(image, tf.float32))

        def of_any_shape(image: tf.Tensor) -> dict[str, tf.Tensor]:
            images = as_batch(image, depth)
            # Of the pixels as they are given: grey ones are made of colours in whole numbers.
            with tf.control_dependencies([refusal_of_nothing(images), refusal_of_other_scales(images)]):
                return self.answer(in_depth(images, depth))

        def of_any_type(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return self.of_any_shape(as_numbers(image, depth))

        self.classify_float = tf.function(classify_float, input_signature=[spec(tf.float32)])
        self.classify_uint8 = tf.function(classify_uint8, input_signature=[spec(tf.uint8)])
        self.class_names = tf.function(lambda: tf.identity(names), input_signature=[])
        self.of_any_shape = tf.function(of_any_shape, input_signature=[tf.TensorSpec(None, tf.float32)])
        self.__call__ = tf.function(of_any_type)
        for dtype in (*NUMBERS, *NO_NUMBERS):
            self.__call__.get_concrete_function(tf.TensorSpec(None, dtype, name=input_name))


def _from_pixels(
    model: keras.Model, end: End, *, names: tf.Tensor, normalization: Normalization
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Return what answers pixels float32 `[B, H, W, D]` of the network's size."""
    scale, shift = (tf.constant(values) for values in scale_and_shift(normalization))

    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        # Some kernels fail on no images, so that there is always one.
        number = tf.shape(image)[0]
        image = tf.pad(image, [[0, tf.cast(tf.equal(number, 0), tf.int32)], [0, 0], [0, 0], [0, 0]])
        logits = model(image * scale - shift, training=False)[:number]
        # TensorFlow's own argmax, because TFLite has no word for what Keras' does about negative zeros.
        scores = tf.concat([-logits, logits], axis=-1) if end.is_binary else logits
        return {
            "class_name": tf.gather(names, tf.argmax(scores, axis=-1)),
            "probabilities": class_probabilities(logits, end),
            "logits": logits,
        }

    return network


def _check_replaceable(path: Path) -> None:
    """Never remove a folder that is not ours to remove."""
    if path.exists() and not path.is_dir():
        raise StampError(f"`export:path` must be a folder, but {path} is a file; choose another.")
    if not path.is_dir() or not any(path.iterdir()):
        return
    is_ours = (path / "saved_model.pb").exists() and (path / "assets.extra" / "class_names.json").exists()
    foreign = foreign_file(path)
    if foreign is not None or not is_ours:
        something = "something else" if foreign is None else f"something else ({foreign.relative_to(path)})"
        raise StampError(
            f"`export:path` must be new, empty or an earlier SavedModel of stamp-tf, but {path} holds {something}; "
            "choose another, or move that away."
        )
