"""What backbones, set encoders and mask generators give back is checked where they are called."""

import re
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.channels import TracedNetwork
from stamp_tf.data import DataSet, Normalization
from stamp_tf.errors import PluginError, StampError
from stamp_tf.layers.make_layer import make_layer
from stamp_tf.layers.registered import MASK_GENERATOR
from stamp_tf.meta.meta_train import meta_train
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference

SOURCE = """
import sys

import keras
from keras import layers, ops

from stamp_tf.errors import StampError
from stamp_tf.layers.score_generator import ScoreGenerator


def network(shape, classes):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))))


def nothing(shape, classes): ...
def leaving(shape, classes): sys.exit(0)
def failing(shape, classes): raise RuntimeError("no such thing")
def wider(shape, classes): return network(shape, classes + 1)
def taller(shape, classes): return network((shape[0] + 1, *shape[1:]), classes)
def two(shape, classes):
    model = network(shape, classes)
    return keras.Model(model.input, [model.output, model.output])
class Own(keras.Model):
    def call(self, x): return x
def subclassed(shape, classes): return Own()
def optional(shape, classes, *, width=1): return layers.Conv2D(int(width), 3)


class Flat(keras.layers.Layer):
    def call(self, images): return ops.mean(images, axis=(1, 2))
    def compute_output_shape(self, shape): return (1, *shape[1:])
class Shapeless(keras.layers.Layer):
    def call(self, images): return ops.mean(images, axis=0, keepdims=True)
    def compute_output_shape(self, shape): return None
class Bad(keras.layers.Layer):
    def call(self, images): return ops.mean(images, axis=0, keepdims=True) * float("nan")
    def compute_output_shape(self, shape): return (1, *shape[1:])
class Mean(keras.layers.Layer):
    def call(self, images): return ops.mean(images, axis=0, keepdims=True)
    def compute_output_shape(self, shape): return (1, *shape[1:])
class Empty(Mean):
    def call(self, images): return images[:0]
class BadInTraining(Mean):
    def call(self, images, training=False):
        mean = super().call(images)
        return mean * float("nan") if training else mean
class BadWeight(Mean):
    def build(self, shape): self.add_weight((2,), name="scale", initializer=lambda *_, **__: float("nan") * ops.ones(2))
class Wordless(Mean):
    def call(self, images): raise StampError("")
class Unsaved(Mean):
    def get_config(self): return {"shape": object()}
class Optionless(Mean):
    def get_config(self): ...
class Leaving(keras.layers.Layer):
    def call(self, images): sys.exit(0)
    def compute_output_shape(self, shape): return (1, *shape[1:])
class LeavingAtOnce(keras.layers.Layer):
    def __init__(self, **kwargs): sys.exit(0)
    def call(self, images): ...
    def get_config(self): ...
class NoLayer:
    def __init__(self, **kwargs): ...
    def call(self, images): ...
    def get_config(self): ...


class Short(ScoreGenerator):
    def call(self, pooled, uniform):
        scores, sample, prior = super().call(pooled, uniform)
        return scores[1:], sample, prior
class Single(ScoreGenerator):
    def call(self, pooled, uniform): return super().call(pooled, uniform)[0]
class Sampling(ScoreGenerator):
    factor, cost = float("nan"), 0.0
    def call(self, pooled, uniform):
        scores, sample, prior = super().call(pooled, uniform)
        return scores, sample * self.factor, prior + self.cost
class Large(Sampling): factor = 5.0
class Negative(Sampling): factor = -1.0
class Dear(Sampling): factor, cost = 1.0, float("inf")
class Boundless(ScoreGenerator): threshold = None
class Beyond(ScoreGenerator): threshold = float("nan")
class Wavering(ScoreGenerator): has_prior = "perhaps"
class Shifting(ScoreGenerator):
    def shift_scores(self, amount): raise StampError("")
class Spoiling(ScoreGenerator):
    def start_from(self, scores): scores[:] = 7.0
class NotFinite(ScoreGenerator):
    def call(self, pooled, uniform):
        scores, sample, prior = super().call(pooled, uniform)
        return scores / 0.0, sample, prior
"""
BACKBONES = ("nothing", "leaving", "failing", "wider", "taller", "two", "subclassed", "optional")
GOOD_ENCODERS = ("Mean",)
BAD_ENCODERS = ("Empty", "BadInTraining", "BadWeight", "Wordless", "Unsaved", "Optionless")
ENCODERS = (*GOOD_ENCODERS, *BAD_ENCODERS, "Flat", "Shapeless", "Bad", "Leaving", "LeavingAtOnce", "NoLayer")
BAD_GENERATORS = ("Sampling", "Large", "Negative", "Dear", "Boundless", "Beyond", "Wavering", "Shifting")
GENERATORS = (*BAD_GENERATORS, "Spoiling", "Short", "Single", "NotFinite", "NoLayer", "Flat")


@pytest.fixture(autouse=True)
def acorn(make_plugin) -> None:
    """A package whose every plug-in breaks its contract in its own way."""
    make_plugin(
        "acorn",
        {
            f"stamp_tf.{group}": [f"{name} = acorn:{name}" for name in names]
            for group, names in (
                ("backbones", BACKBONES),
                ("set_encoders", ENCODERS),
                ("mask_generators", GENERATORS),
            )
        },
        SOURCE,
    )


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("nothing", "must return a keras.Model, but returned None"),
        ("leaving", "must not fail, but raised SystemExit: 0"),
        ("failing", "must not fail, but raised RuntimeError: no such thing"),
        ("wider", "to logits [None, 3], but maps [None, 8, 8, 3] to [None, 4]"),
        (
            "taller",
            "must map images [None, 8, 8, 3] to logits [None, 3], but maps [None, 9, 8, 3] to [None, 3]",
        ),
        ("two", "but maps [None, 8, 8, 3] to [None, 3] and [None, 3]"),
        ("subclassed", "must return a functional model, but returned the Own own"),
        ("optional", "must return a keras.Model, but returned Conv2D"),
    ],
)
def test_a_backbone_that_breaks_its_contract_is_named(name: str, rule: str) -> None:
    with pytest.raises(PluginError, match=re.escape(rule)) as caught:
        BackboneConfig(name=name, input_shape=(8, 8, 3), num_classes=3).build()
    assert str(caught.value).startswith(f"The backbone {name!r} of package acorn ")


@pytest.mark.parametrize("width", ["abc", -1, None])
def test_an_option_that_a_backbone_cannot_take_is_named(width: Any) -> None:
    with pytest.raises(StampError, match=r"--backbone optional must accept its options, but \{'width': "):
        BackboneConfig(
            name="optional", input_shape=(8, 8, 3), num_classes=3, options={"width": width}
        ).build()


def reference(dataset: DataSet) -> Reference:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="conv")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(6, name="logits")(x), name="toy")
    backbone = BackboneConfig(
        name="toy",
        input_shape=(8, 8, 3),
        num_classes=6,
        architecture=keras.saving.serialize_keras_object(model),
        head="logits",
    )
    return Reference(
        backbone=backbone,
        network=TracedNetwork.of(backbone.build()),
        normalization=Normalization.of(dataset.train),
        scores=np.zeros(4, "float32"),
    )


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"set_encoder": "Empty"}, "must return 1 or more pseudo-images [r, 8, 8, 3], but returned"),
        ({"set_encoder": "BadInTraining"}, "must give finite pseudo-images in training, but 192 of 192"),
        ({"set_encoder": "BadWeight"}, "must start with finite weights, but set_encoder/scale holds 2 of 2"),
        ({"set_encoder": "Wordless"}, "must say what is wrong, but raised a StampError without words"),
        ({"set_encoder": "Unsaved"}, "must return JSON content from get_config, but gave something else"),
        ({"set_encoder": "Optionless"}, "must return its options from get_config, but returned None"),
        ({"set_encoder": "Flat"}, "must return 1 or more pseudo-images [r, 8, 8, 3], but returned"),
        ({"set_encoder": "Shapeless"}, "to [r, 8, 8, 3] in compute_output_shape, but gave None"),
        ({"set_encoder": "Bad"}, "must give finite pseudo-images, but 192 of 192 values are NaN or infinite"),
        ({"set_encoder": "Leaving"}, "must not fail, but raised SystemExit: 0"),
        ({"set_encoder": "LeavingAtOnce"}, "must not fail, but raised SystemExit: 0"),
        ({"set_encoder": "NoLayer"}, "must be a keras.Layer, but is a NoLayer"),
        ({"mask_generator": "Sampling"}, "must give finite masks, but 4 of 4 values are NaN or infinite"),
        ({"mask_generator": "Large"}, "must give masks of values from 0 to 1, but gave "),
        ({"mask_generator": "Negative"}, "must give masks of values from 0 to 1, but gave -"),
        ({"mask_generator": "Dear"}, "must give finite costs of its prior, but 1 of 1 values"),
        ({"mask_generator": "Boundless"}, "must have a threshold from 0 to 1, but has None"),
        ({"mask_generator": "Beyond"}, "must have a threshold from 0 to 1, but has nan"),
        ({"mask_generator": "Wavering"}, "must say in has_prior True or False, but has 'perhaps'"),
        ({"mask_generator": "Shifting"}, "must say what is wrong, but raised a StampError without words"),
        ({"mask_generator": "Short"}, "must return scores of shape [4], but returned"),
        ({"mask_generator": "Single"}, "must return scores, a mask and the cost of its prior, but returned"),
        ({"mask_generator": "NotFinite"}, "must give finite scores, but 4 of 4 values are NaN or infinite"),
        ({"mask_generator": "NoLayer"}, "MaskGenerator, but is a NoLayer"),
        ({"mask_generator": "Flat"}, "must not fail, but raised ValueError: Unrecognized keyword"),
    ],
)
def test_layers_that_break_their_contract_are_named_before_anything_is_written(
    dataset: DataSet, tmp_path, options: dict[str, str], rule: str
) -> None:
    config = MetaTrainConfig(
        **({"set_encoder": "deep-sets"} | options), ways=3, shots=4, inner_batches=2, budgets=(0.3, 1.0)
    )
    with pytest.raises(PluginError, match=re.escape(rule)) as caught:
        meta_train(dataset, reference(dataset), tmp_path / "run", config=config)
    ((kind, name),) = options.items()
    assert str(caught.value).startswith(f"The {kind.replace('_', ' ')} {name!r} of package acorn ")
    assert not (tmp_path / "run").exists()


def test_what_a_compiled_step_is_built_from_is_checked_too(make_objective, make_tasks) -> None:
    objective, tasks = make_objective(), make_tasks(1)
    sizes = list(objective.cut.channel_map.group_sizes)
    short = make_layer(MASK_GENERATOR, "Short", {"group_sizes": sizes}, shape=(1, sum(sizes)))
    objective.mask_generator = short
    values = [variable.value for variable in objective.variables]
    statistics = [variable.value for variable in objective.statistics]
    with pytest.raises(PluginError, match=r"The mask generator 'Short' of package acorn must return scores"):
        objective.generate(
            values,
            statistics,
            tasks.images[0, 0],
            uniform=tasks.uniform[0, 0],
            training=True,
        )


def test_a_set_encoder_need_not_know_of_training(dataset: DataSet, tmp_path) -> None:
    config = MetaTrainConfig(
        set_encoder="Mean", ways=3, shots=4, inner_batches=2, budgets=(0.3, 1.0), outer_steps=1
    )
    assert meta_train(dataset, reference(dataset), tmp_path / "run", config=config).set_encoder is not None


def test_a_mask_generator_cannot_spoil_the_scores_that_it_starts_from(dataset: DataSet, tmp_path) -> None:
    before = reference(dataset)
    config = MetaTrainConfig(
        set_encoder="Mean",
        mask_generator="Spoiling",
        ways=3,
        shots=4,
        inner_batches=2,
        budgets=(0.3, 1.0),
        outer_steps=1,
    )
    meta_train(dataset, before, tmp_path / "run", config=config)
    np.testing.assert_array_equal(before.scores, np.zeros(4))
