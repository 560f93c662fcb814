"""What the contracts are made of: a rule in words, held or broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import value_and_gradient
from stamp_tf.errors import StampError


def require(holds: object, rule: str, received: str) -> None:
    """Hold a plug-in to a rule.

    Args:
        holds: Whether the rule is kept.
        rule: What must be, such as `A backbone must end in logits`.
        received: What was instead, such as `its outputs sum up to 1`.

    Raises:
        AssertionError: If it is not kept, in one line.
    """
    if not holds:
        raise AssertionError(f"{rule}, but {received}.")


def require_equal(received: object, expected: object, rule: str) -> None:
    """Hold a plain value to another.

    Args:
        received: What came.
        expected: What should have.
        rule: What must be.

    Raises:
        AssertionError: If they differ.
    """
    require(received == expected, rule, f"{received} came where {expected} should")


def require_close(received: Any, expected: Any, rule: str, *, tolerance: float = 0.0) -> None:
    """Hold an array to another.

    Args:
        received: What came.
        expected: What should have, of the same shape.
        rule: What must be.
        tolerance: Largest difference that is allowed.

    Raises:
        AssertionError: If shapes differ, or a value differs by more, or is NaN.
    """
    first, second = array(received), array(expected)
    require_equal(first.shape, second.shape, rule)
    if first.dtype.kind not in "fc" and second.dtype.kind not in "fc":
        require((first == second).all(), rule, f"{int((first != second).sum())} values differ")
        return
    difference = np.abs(first.astype("float64") - second.astype("float64")).max(initial=0.0)
    require(difference <= tolerance, rule, f"the largest difference is {difference:.3g}")


def require_finite(value: Any, rule: str) -> None:
    """Hold a tensor of any floating type to finite values.

    Args:
        value: The tensor.
        rule: What must be.

    Raises:
        AssertionError: If a value is NaN or infinite.
    """
    finite = np.isfinite(array(ops.cast(value, "float64")))
    require(finite.all(), rule, f"{int((~finite).sum())} of {finite.size} values are NaN or infinite")


def require_refused(call: Callable[[], object], rule: str, *, words: str) -> None:
    """Hold a plug-in to refusing wrong input in words.

    Args:
        call: What must be refused.
        rule: What must be.
        words: What the message must name.

    Raises:
        AssertionError: If it is taken, or refused otherwise than by a `StampError` of one line.
    """
    try:
        call()
    except StampError as error:
        message = str(error)
        require(words in message, rule, f"the message does not name {words!r}: {message}")
        require("\n" not in message, rule, "the message has several lines")
        return
    except Exception as error:
        raise AssertionError(f"{rule}, but it raised {type(error).__name__}: {error}.") from error
    raise AssertionError(f"{rule}, but it was taken.")


def require_gradients(
    layer: keras.Layer, loss: Callable[[list[Any]], Any], *, rule: str, nonzero: bool = True
) -> None:
    """Hold a layer to gradients that reach every weight.

    Args:
        layer: Built, with weights to train.
        loss: From the values of its trainable weights to a scalar.
        rule: What must be.
        nonzero: Whether each gradient must differ from zero; they must be finite in any case.

    Raises:
        AssertionError: If a weight's gradient is not finite, or zero where it must not be.
    """
    weights = layer.trainable_variables
    require(weights, rule, "it has no weights to train")
    values = [ops.convert_to_tensor(weight.value) for weight in weights]
    _, gradients = value_and_gradient(lambda values: (loss(values), None), values)
    for weight, gradient in zip(weights, gradients, strict=True):
        require_finite(gradient, f"{rule}, finite ones to {weight.path}")
        if nonzero:
            require(np.abs(array(gradient)).max(initial=0.0) > 0, rule, f"{weight.path} gets none")


def array(value: Any) -> np.ndarray:
    """Return a tensor of any backend, or an array, as an array."""
    return value if isinstance(value, np.ndarray) else np.asarray(ops.convert_to_numpy(value))


def has_float64() -> bool:
    """Return whether the backend computes in float64; JAX does where `jax_enable_x64` is set."""
    return keras.backend.standardize_dtype(ops.ones((), "float64").dtype) == "float64"


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Let layers be built at another precision within a block.

    Args:
        policy: `float64`, or a mixed policy such as `mixed_bfloat16`.
    """
    floatx, before = keras.config.floatx(), keras.config.dtype_policy()
    try:
        if policy == "float64":
            keras.config.set_floatx(policy)
        keras.config.set_dtype_policy(policy)
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(before)


def try_all(properties: tuple[Callable[..., None], ...], *arguments: Any, **options: Any) -> None:
    """Try one property after the other, each from the same random state.

    Args:
        properties: The functions of a contract.
        *arguments: What each is given.
        **options: What each is given by name.

    Raises:
        AssertionError: If one does not hold, or the plug-in fails while it is tried.
    """
    for prove in properties:
        keras.utils.set_random_seed(0)
        try:
            prove(*arguments, **options)
        except AssertionError:
            raise
        except Exception as error:
            what = prove.__name__.replace("_", " ")
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise AssertionError(f"It must hold that it {what}, but trying it raised {reason}") from error
