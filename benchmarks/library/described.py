"""A Keras network as a list of steps that PyTorch can repeat, with its weights in PyTorch's order."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.refit.walk import Network

Step = dict[str, Any]


def described(model: keras.Model) -> tuple[list[Step], dict[str, np.ndarray]]:
    """Return the steps of a network for images, and its weights by `step.weight`.

    A step names itself, what it does and the steps that it reads; `input` is the image.

    Args:
        model: Of layers that image classifiers of convolutions are made of.

    Raises:
        TypeError: If it has another layer.
    """
    steps: list[Step] = []
    weights: dict[str, np.ndarray] = {}
    names: dict[int, str] = {}
    for call in Network(model).calls:
        operation = call.operation
        name = operation.name.replace(".", "_")
        step = {"name": name, "reads": [names.get(id(tensor), "input") for tensor in call.input_tensors]}
        step |= _settings(operation, call.outputs[0])
        weights |= {f"{name}.{key}": value for key, value in _weights(operation).items()}
        steps.append(step)
        activation = getattr(operation, "activation", keras.activations.linear)
        if not isinstance(operation, layers.Activation) and activation is not keras.activations.linear:
            steps.append({"name": f"{name}_activation", "reads": [name], "do": activation.__name__})
        names[id(call.outputs[0])] = str(steps[-1]["name"])
    return steps, weights


def _settings(operation: Any, output: Any) -> Step:
    match operation:
        case layers.DepthwiseConv2D() | layers.Conv2D():
            groups = output.shape[-1] if isinstance(operation, layers.DepthwiseConv2D) else operation.groups
            return {
                "do": "convolution",
                "strides": list(operation.strides),
                "padding": operation.padding,
                "groups": int(groups),
            }
        case layers.BatchNormalization():
            return {"do": "normalization", "epsilon": operation.epsilon}
        case layers.ReLU():
            return {"do": "relu" if operation.max_value is None else "relu6"}
        case layers.Activation():
            return {"do": operation.activation.__name__}
        case layers.ZeroPadding2D():
            return {"do": "padding", "sizes": [list(pair) for pair in operation.padding]}
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            kind = "maximum" if isinstance(operation, layers.MaxPooling2D) else "mean"
            return {"do": kind, "size": list(operation.pool_size), "strides": list(operation.strides)}
        case layers.Add() | layers.Flatten() | layers.GlobalAveragePooling2D() | layers.Dense():
            return {"do": type(operation).__name__}
    match type(operation).__name__:
        case "GetItem":
            return {"do": "every second"}
        case "Pad":
            return {"do": "channels of zeros", "sizes": list(operation.pad_width[-1])}
    raise TypeError(f"No step for {type(operation).__name__}.")


def _weights(operation: Any) -> dict[str, np.ndarray]:
    match operation:
        case layers.DepthwiseConv2D():
            found = {"weight": ops.transpose(operation.kernel, (2, 3, 0, 1))}
        case layers.Conv2D():
            found = {"weight": ops.transpose(operation.kernel, (3, 2, 0, 1))}
        case layers.Dense():
            found = {"weight": ops.transpose(operation.kernel)}
        case layers.BatchNormalization():
            return {
                "weight": np.array(operation.gamma),
                "bias": np.array(operation.beta),
                "running_mean": np.array(operation.moving_mean),
                "running_var": np.array(operation.moving_variance),
            }
        case _:
            return {}
    if operation.use_bias:
        found["bias"] = operation.bias
    return {key: ops.convert_to_numpy(value) for key, value in found.items()}
