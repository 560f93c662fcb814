"""Names of Keras without a public face: listed in docs/tracing.md, and still what they are said to be."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "stamp_tf" / "channels"
ROW = re.compile(r"^\| `(\w+)` \| `([\w/]+\.py)` \|", re.M)
FILES = dict(ROW.findall((ROOT / "docs" / "tracing.md").read_text()))


class Scale(keras.Layer):
    """A layer that inherits `get_config`."""

    def __init__(self, factor: float) -> None:
        super().__init__()


class Scales(keras.Layer):
    """The same with arguments that have no names."""

    def __init__(self, *factors: float) -> None:
        super().__init__()


def dense() -> layers.Dense:
    layer = layers.Dense(3, name="dense")
    layer.build((None, 2))
    return layer


def network() -> tuple[keras.Model, layers.Dense]:
    """A network that calls one layer twice."""
    image, layer = keras.Input((2,), name="image"), layers.Dense(2, name="dense")
    return keras.Model({"image": image}, layers.ReLU(name="relu")(layer(layer(image)))), layer


def attention(**options: Any) -> layers.MultiHeadAttention:
    layer = layers.MultiHeadAttention(2, 3, value_dim=4, **options)
    layer.build((None, 5, 6), (None, 5, 6))
    return layer


def keras_history() -> bool:
    layer = layers.Dense(2)
    twice = layer(layer(keras.Input((2,))))
    history = twice._keras_history
    return (history.operation, history.node_index) == (layer, 1)


def inbound_nodes() -> bool:
    _, layer = network()
    first, second = layer._inbound_nodes
    return second.arguments.args[0] is first.outputs[0]


def nodes_by_depth() -> bool:
    model, _ = network()
    depths = sorted(model._nodes_by_depth, reverse=True)
    order = [node.operation.name for depth in depths for node in model._nodes_by_depth[depth]]
    is_input = [node.is_input for node in model._nodes_by_depth[depths[0]]]
    return order == ["image", "dense", "dense", "relu"] and is_input == [True]


def run_through_graph() -> bool:
    model, _ = network()
    called: list[str] = []

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(operation.name)
        return operation(*args, **kwargs)

    image = np.ones((1, 2), "float32")
    outputs = model._run_through_graph({"image": image}, operation_fn=lambda one: one, call_fn=call)
    return called == ["dense", "dense", "relu"] and np.array_equal(outputs, model({"image": image}))


def functional() -> bool:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    return hasattr(model._functional, "_nodes_by_depth")


def flatten_layers() -> bool:
    wrapper = layers.TimeDistributed(layers.Dense(2))
    return wrapper._flatten_layers() == [wrapper, wrapper.layer]


def object_name_uids() -> bool:
    from keras.src.backend.common import global_state

    layers.Dense(2)
    return global_state.get_global_attribute("object_name_uids")["dense"] > 0


def keras_mask() -> bool:
    tokens = layers.Embedding(3, 2, mask_zero=True)(np.array([[1, 0]]))
    return np.array(tokens._keras_mask).tolist() == [[True, False]]


def compile_config() -> bool:
    model, _ = network()
    model.compile("sgd", loss="mse")
    return model._compile_config.config["loss"] == "mse"


def trainable_variables() -> bool:
    layer = dense()
    layer.trainable = False
    return layer._trainable_variables == [layer.kernel, layer.bias] and not layer.trainable_variables


def non_trainable_variables() -> bool:
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    return layer._non_trainable_variables == [layer.moving_mean, layer.moving_variance]


def track_variable() -> bool:
    layer, variable = keras.Layer(), keras.Variable(1.0)
    layer._track_variable(variable)
    return layer.weights == [variable]


def auto_config() -> bool:
    return Scale(2.0)._auto_config.config == {"factor": 2.0}


def path() -> bool:
    layer = dense()
    return (layer._path, layer.kernel._path) == ("dense", "dense/kernel")


def seed_generators() -> bool:
    layer = layers.Dropout(0.5)
    return layer._seed_generators == [layer.seed_generator]


def kernel() -> bool:
    layer = layers.Conv2D(3, 1)
    layer.build((None, 4, 4, 2))
    return dense()._kernel.shape == (2, 3) and layer._kernel.shape == (1, 1, 2, 3)


HOLDS: dict[str, Callable[[], bool]] = {
    "_keras_history": keras_history,
    "_inbound_nodes": inbound_nodes,
    "_nodes_by_depth": nodes_by_depth,
    "_run_through_graph": run_through_graph,
    "_inputs_struct": lambda: [*network()[0]._inputs_struct] == ["image"],
    "_functional": functional,
    "_flatten_layers": flatten_layers,
    "object_name_uids": object_name_uids,
    "_keras_mask": keras_mask,
    "_call_has_training_arg": lambda: (
        layers.Dropout(0.5)._call_has_training_arg and not layers.Flatten()._call_has_training_arg
    ),
    "_compile_config": compile_config,
    "_trainable_variables": trainable_variables,
    "_non_trainable_variables": non_trainable_variables,
    "_track_variable": track_variable,
    "_build_shapes_dict": lambda: dense()._build_shapes_dict == {"input_shape": (None, 2)},
    "_auto_config": auto_config,
    "_autocast": lambda: keras.Variable(1.0, autocast=False)._autocast is False,
    "_path": path,
    "_layers": lambda: len(layers.TimeDistributed(layers.Dense(2))._layers) == 1,
    "_seed_generators": seed_generators,
    "_auto_config_error_args": lambda: Scales(1.0, 2.0)._auto_config_error_args,
    "_kernel": kernel,
    "_attention_axes": lambda: tuple(attention()._attention_axes) == (1,),
    "_num_heads": lambda: attention()._num_heads == 2,
    "_key_dim": lambda: attention()._key_dim == 3,
    "_value_dim": lambda: attention()._value_dim == 4,
    "_query_dense": lambda: attention()._query_dense.kernel.shape == (6, 2, 3),
    "_key_dense": lambda: attention()._key_dense.kernel.shape == (6, 2, 3),
    "_value_dense": lambda: attention()._value_dense.kernel.shape == (6, 2, 4),
    "_gate_dense": lambda: attention(use_gate=True)._gate_dense.kernel.shape == (6, 2, 4),
    "_output_dense": lambda: attention()._output_dense.kernel.shape == (2, 4, 6),
}


@pytest.mark.parametrize("name", HOLDS)
def test_keras_still_has_it(name: str) -> None:
    told = f"Keras {keras.__version__} has another {name}: look at stamp_tf/channels/{FILES[name]}"
    try:
        holds = HOLDS[name]()
    except Exception as error:
        raise AssertionError(f"{told}; {type(error).__name__}: {error}") from error
    assert holds, told


def test_the_table_has_what_is_tried_and_where_it_is_used() -> None:
    assert FILES.keys() == HOLDS.keys()
    assert not [name for name, file in FILES.items() if name not in (ROOM / file).read_text()]


def test_the_table_has_every_private_name() -> None:
    trees = {file: ast.parse(file.read_text()) for file in ROOM.rglob("*.py")}
    nodes = [(file, node) for file, tree in trees.items() for node in ast.walk(tree)]
    own = {node.name for _, node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {
        node.attr
        for _, node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if ast.unparse(node.value) == "self"
    }
    used = {
        node.attr: file.name
        for file, node in nodes
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and node.attr not in own
    }
    assert not {name: file for name, file in used.items() if name not in FILES}
