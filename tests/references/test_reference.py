"""The reference on disk: whole, its own, and the same after loading."""

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_registry import UnknownName
from stamp_tf.channels import TracedNetwork
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.layers.make_layer import make_layer
from stamp_tf.layers.registered import SET_ENCODER
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.find import as_reference
from stamp_tf.references.pixels.choice import PixelChoice
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference, metadata_of, save_reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.storage.checkpoints import load_state, save_state

pytestmark = pytest.mark.usefixtures("backbones")

SHAPE = (16, 16, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (20, *SHAPE)).astype(np.uint8)
NORMALIZATION = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def make_reference(backbone: str = "tiny", *, meta_trained: bool = True, **options: object) -> Reference:
    keras.utils.set_random_seed(1)
    config = BackboneConfig(name=backbone, input_shape=SHAPE, num_classes=4, options=options)
    scores = np.random.default_rng(0).normal(size=14).astype("float32")
    reference = Reference(
        backbone=config,
        network=TracedNetwork.of(config.build()),
        scores=scores,
        normalization=NORMALIZATION,
        description={"dataset": "toy", "seed": 1},
    )
    if not meta_trained:
        return reference
    return reference.with_new_layers(set_encoder=("deep-sets", {"width": 8}), mask_generator=("score", {}))


@pytest.fixture
def reference() -> Reference:
    return make_reference()


@pytest.fixture
def saved(reference: Reference, tmp_path: Path) -> Path:
    save_reference(reference, tmp_path / "reference.npz")
    return tmp_path / "reference.npz"


def propose(reference: Reference) -> np.ndarray:
    return reference.propose_scores(PIXELS, normalization=reference.normalization)


def test_what_was_saved_is_what_is_loaded(reference: Reference, saved: Path) -> None:
    loaded = load_reference(saved)
    images = NORMALIZATION(PIXELS)
    np.testing.assert_array_equal(loaded.model(images), reference.model(images))
    np.testing.assert_array_equal(propose(loaded), propose(reference))
    np.testing.assert_array_equal(loaded.scores, reference.scores)
    assert loaded.backbone == reference.backbone
    assert loaded.normalization == reference.normalization
    assert loaded.description == reference.description
    assert metadata_of(loaded) == metadata_of(reference)


def test_half_of_the_size_rounds_kernels_alone(tmp_path: Path) -> None:
    reference = make_reference(meta_trained=False)
    save_reference(reference, tmp_path / "half.npz", half_precision=True)
    with np.load(tmp_path / "half.npz") as file:
        assert {file[name].dtype.name for name in file if name.endswith("/kernel")} == {"float16"}
        assert {file[name].dtype.name for name in file if file[name].ndim == 1} == {"float32", "uint8"}
    loaded = load_reference(tmp_path / "half.npz")
    assert {variable.dtype for variable in loaded.model.variables} == {"float32"}
    images = NORMALIZATION(PIXELS)
    np.testing.assert_allclose(loaded.model(images), reference.model(images), atol=5e-3)
    np.testing.assert_array_equal(loaded.scores, reference.scores)


def test_a_plain_one_has_neither_scores_nor_layers(tmp_path: Path) -> None:
    reference = replace(make_reference(meta_trained=False), scores=None)
    save_reference(reference, tmp_path / "plain.npz")
    loaded = load_reference(tmp_path / "plain.npz")
    assert loaded.scores is loaded.set_encoder is loaded.mask_generator is None
    with pytest.raises(
        StampError, match="--method stamp needs a reference trained at budgets or meta-trained"
    ):
        propose(loaded)


def test_a_budget_trained_one_proposes_its_scores() -> None:
    reference = make_reference(meta_trained=False)
    np.testing.assert_array_equal(propose(reference), reference.scores)


def test_scores_depend_on_the_set_and_not_on_its_order(reference: Reference) -> None:
    scores = propose(reference)
    assert scores.shape == (14,)
    other = reference.propose_scores(255 - PIXELS, normalization=NORMALIZATION)
    assert not np.allclose(scores, other)
    shuffled = reference.propose_scores(PIXELS[::-1], normalization=NORMALIZATION)
    np.testing.assert_allclose(scores, shuffled, atol=1e-4)


def test_proposing_changes_nothing(reference: Reference) -> None:
    before = {name: value.copy() for name, value in reference.arrays().items()}
    propose(reference)
    for name, value in reference.arrays().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_backbone_that_names_no_layer_loads_whatever_was_built_before(tmp_path: Path) -> None:
    keras.layers.Conv2D(1, 1)
    reference = make_reference("unnamed", meta_trained=False)
    save_reference(reference, tmp_path / "reference.npz")
    keras.layers.Conv2D(1, 1)
    loaded = load_reference(tmp_path / "reference.npz")
    images = NORMALIZATION(PIXELS)
    np.testing.assert_array_equal(loaded.model(images), reference.model(images))


def test_building_a_backbone_leaves_keras_numbering_of_others_alone() -> None:
    before = keras.layers.Conv2D(1, 1).name
    BackboneConfig(name="unnamed", input_shape=SHAPE, num_classes=4).build()
    assert keras.layers.Conv2D(1, 1).name != before


def test_a_copy_trains_apart(reference: Reference) -> None:
    twin = reference.copy()
    np.testing.assert_array_equal(propose(twin), propose(reference))
    twin.mask_generator.layer.start_from(np.zeros(14))
    weight = twin.set_encoder.layer.trainable_variables[0]
    weight.assign_add(np.ones(weight.shape, "float32"))
    assert twin.model is reference.model
    assert not np.array_equal(propose(twin), propose(reference))
    np.testing.assert_array_equal(reference.mask_generator.layer.base_scores, reference.scores)


def test_what_is_known_of_the_network_is_carried_along(reference: Reference, monkeypatch) -> None:
    def trace(model: keras.Model) -> None:
        raise AssertionError("It was traced again.")

    monkeypatch.setattr("stamp_tf.channels.traced_network.trace_channels", trace)
    changed = replace(reference, scores=-reference.scores)
    chosen = changed.copy().with_pixels(PixelChoice(scale="0:1", origin="option", reason="as was asked"))
    assert chosen.network is reference.network


def test_a_reference_cannot_be_changed(reference: Reference) -> None:
    with pytest.raises(FrozenInstanceError):
        reference.scores = None


def test_the_scale_of_pixels_is_an_entry_of_the_file(reference: Reference, tmp_path: Path) -> None:
    tried = {"0:1": 0.25, "0:255": 0.75}
    reference = reference.with_pixels(
        PixelChoice(scale="0:255", origin="measured", reason="it was tried", tried=tried)
    )
    save_reference(reference, tmp_path / "reference.npz")
    _, metadata = load_state(tmp_path / "reference.npz")
    assert metadata["description"] == {
        **reference.description,
        "pixels": "0:255",
        "pixels_origin": "measured",
        "pixels_reason": "it was tried",
        "pixels_tried": tried,
    }
    loaded = load_reference(tmp_path / "reference.npz")
    assert (loaded.pixels, loaded.description) == (reference.pixels, reference.description)


@pytest.mark.parametrize("entry", [{"pixels": 255}, {"pixels": "0:1", "pixels_tried": [1]}])
def test_a_scale_of_pixels_that_is_something_else_is_refused(saved: Path, entry: dict[str, object]) -> None:
    change(saved, description=entry)
    with pytest.raises(StampError, match=r"The description in .* must be JSON written by stamp-tf, but desc"):
        load_reference(saved)


def test_half_precision_is_left_behind() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        reference = make_reference(meta_trained=False)
    finally:
        keras.config.set_dtype_policy("float32")
    exact = reference.in_float32()
    assert reference.model.get_layer("conv1").compute_dtype == "bfloat16"
    assert exact.model.get_layer("conv1").compute_dtype == "float32"
    for ours, theirs in zip(exact.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_reference_is_taken_as_it_is_by_its_file_or_by_its_run(reference: Reference, saved: Path) -> None:
    assert as_reference(reference) is reference
    np.testing.assert_array_equal(as_reference(saved).scores, reference.scores)
    np.testing.assert_array_equal(as_reference(str(saved.parent)).scores, reference.scores)


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StampError,
        match=r"--from must be a run directory of pretrain or meta-train, but .* has no reference\.npz",
    ):
        as_reference(tmp_path)


def change(path: Path, **changes: object) -> None:
    """Write the file again with another description."""
    arrays, metadata = load_state(path)
    save_state(path, arrays, metadata | changes)


def test_a_checkpoint_of_another_width_is_refused(saved: Path) -> None:
    change(
        saved, backbone={"name": "tiny", "input_shape": SHAPE, "num_classes": 4, "options": {"width": 2.0}}
    )
    message = (
        r"same backbone, width and input: conv1/kernel must have shape \(3, 3, 3, 12\), but .* has shape"
    )
    with pytest.raises(StampError, match=message):
        load_reference(saved)


def test_a_checkpoint_of_another_backbone_is_refused(saved: Path) -> None:
    change(saved, backbone={"name": "unnamed", "input_shape": SHAPE, "num_classes": 4, "options": {}})
    with pytest.raises(
        StampError, match=r"same backbone, width and input: .* but .* has nothing; check --backbone"
    ):
        load_reference(saved)


def test_a_checkpoint_of_another_input_is_refused(saved: Path) -> None:
    change(saved, backbone={"name": "tiny", "input_shape": (16, 16, 1), "num_classes": 4, "options": {}})
    with pytest.raises(StampError, match=r"must have shape \(3, 3, 1, 6\)"):
        load_reference(saved)


@pytest.mark.parametrize("missing", ["backbone", "normalization", "set_encoder"])
def test_a_file_that_describes_no_reference_is_refused(saved: Path, missing: str) -> None:
    arrays, metadata = load_state(saved)
    del metadata[missing]
    save_state(saved, arrays, metadata)
    with pytest.raises(StampError, match=r"The description in .* must be JSON written by stamp-tf, but"):
        load_reference(saved)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"set_encoder": "images"}, "the set encoder 'images'"),
        ({"mask_generator": "class-separation"}, "the mask generator 'class-separation'"),
        (
            {"set_encoder": "images", "mask_generator": "class-separation"},
            "the set encoder 'images' and the mask generator 'class-separation'",
        ),
        ({"set_encoder": "constant"}, "the set encoder 'constant'"),
    ],
)
def test_an_older_file_with_layers_that_were_retired_is_refused(
    saved: Path, kinds: dict[str, str], words: str
) -> None:
    _, metadata = load_state(saved)
    change(saved, **{kind: {**metadata[kind], "name": name} for kind, name in kinds.items()})
    message = (
        f"A reference must make masks by layers that exist, but {saved} has {words}, retired since; use another "
        "reference, such as the bundled one, or run pretrain and meta-train anew."
    )
    with pytest.raises(StampError) as caught:
        load_reference(saved)
    assert str(caught.value) == message


def test_a_package_may_give_a_retired_name_a_meaning_again(saved: Path, make_plugin) -> None:
    target = "stamp_tf.set_encoders.deep_sets:DeepSets"
    make_plugin("acorn", {"stamp_tf.set_encoders": [f"images = {target}"]})
    _, metadata = load_state(saved)
    change(saved, set_encoder={**metadata["set_encoder"], "name": "images"})
    assert load_reference(saved).set_encoder.name == "images"


def test_scores_of_another_length_are_refused(saved: Path) -> None:
    arrays, metadata = load_state(saved)
    save_state(saved, arrays | {"scores": np.zeros(3, "float32")}, metadata)
    with pytest.raises(StampError, match=r"must have one score per channel \(14\), but .* has shape \(3,\)"):
        load_reference(saved)


def test_backbone_options_are_checked() -> None:
    with pytest.raises(StampError, match=r"--backbone tiny must accept its options, but .*'depth'"):
        BackboneConfig(name="tiny", input_shape=SHAPE, num_classes=4, options={"depth": 3}).build()
    with pytest.raises(UnknownName, match="Did you mean 'tiny'"):
        BackboneConfig(name="tinny", input_shape=SHAPE, num_classes=4).build()


def test_the_backbones_configuration_is_json() -> None:
    config = BackboneConfig(name="tiny", input_shape=SHAPE, num_classes=4, options={"width": 0.5})
    assert BackboneConfig.from_config(json.loads(json.dumps(config.to_config()))) == config
    assert config.with_num_classes(9).build().output_shape == (None, 9)


def test_layer_options_are_checked() -> None:
    with pytest.raises(StampError, match=r"deep-sets must accept its options, but .*'depth'"):
        make_layer(SET_ENCODER, "deep-sets", {"depth": 3}, shape=(None, *SHAPE))
    with pytest.raises(UnknownName, match="Did you mean 'deep-sets'"):
        make_layer(SET_ENCODER, "deepsets", {}, shape=(None, *SHAPE))


def test_transfer_leaves_a_head_for_other_classes_alone() -> None:
    source, target = (
        BackboneConfig(name="tiny", input_shape=SHAPE, num_classes=classes).build() for classes in (4, 7)
    )
    head = target.get_layer("logits").kernel.numpy()
    transfer_weights(source, target)
    np.testing.assert_array_equal(target.get_layer("logits").kernel, head)
    np.testing.assert_array_equal(target.get_layer("conv2").kernel, source.get_layer("conv2").kernel)
    np.testing.assert_array_equal(
        target.get_layer("norm1").moving_variance, source.get_layer("norm1").moving_variance
    )


def test_transfer_between_strangers_is_refused() -> None:
    inputs = keras.Input((4,))
    stranger = keras.Model(inputs, keras.layers.Dense(2, name="stranger")(inputs))
    with pytest.raises(StampError, match="must name its layers alike each time it is built"):
        transfer_weights(stranger, BackboneConfig(name="tiny", input_shape=SHAPE, num_classes=4).build())


@pytest.mark.parametrize("name", ["scores", "model/conv1/kernel"])
def test_a_file_with_values_that_are_not_finite_is_refused(tmp_path: Path, name: str) -> None:
    reference = make_reference()
    if name == "scores":
        reference.scores[1] = np.nan
    else:
        reference.model.get_layer("conv1").kernel.assign(reference.model.get_layer("conv1").kernel * np.inf)
    save_reference(reference, tmp_path / "bad.npz")
    with pytest.raises(StampError, match=rf"bad.npz must be finite, but {name} holds \d+ of \d+ values"):
        load_reference(tmp_path / "bad.npz")
    with pytest.raises(StampError, match=rf"--from must be finite, but {name} holds"):
        as_reference(reference)
