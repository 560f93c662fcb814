"""Fine-tuning that learns from another network's outputs."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.training.finetune import finetune
from stamp_tf.training.teacher import Teacher

NORMALIZATION = Normalization((0.5,) * 3, (0.25,) * 3)
SHAPE = (8, 8, 3)


def images(count: int, *, labels: Callable[[np.ndarray], np.ndarray] = lambda places: places % 3) -> ImageSet:
    rng = np.random.default_rng(count)
    pixels = rng.integers(0, 255, (count, *SHAPE)).astype("uint8")
    return ImageSet(pixels, labels(np.arange(count)).astype("int32"), 3, class_names=("a", "b", "c"))


DATASET = DataSet("noise", images(48), images(12))


def network(
    *, seed: int = 0, width: int = 6, dropout: float = 0.0, activation: str | None = None
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(width, 3, name="conv")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.5, name="norm")(x))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(3, activation=activation, name="logits")(x))


def trained(model: keras.Model, teacher: keras.Model | None = None, **options: object) -> keras.Model:
    dataset, ways = options.pop("dataset", DATASET), {}
    for name in ("checkpoints", "on_step"):
        if name in options:
            ways[name] = options.pop(name)
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 0.05, "evaluate": False}
    config = FinetuneConfig(**settings | options)
    finetune(model, dataset, normalization=NORMALIZATION, config=config, teacher=teacher, **ways)
    return model


def assert_same_weights(one: keras.Model, other: keras.Model) -> None:
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def distance(one: keras.Model, other: keras.Model) -> float:
    pixels = NORMALIZATION(DATASET.test.images)
    answers = (np.asarray(keras.ops.softmax(model(pixels))) for model in (one, other))
    return float(np.abs(next(answers) - next(answers)).max())


@pytest.fixture(scope="module")
def half() -> keras.Model:
    """A network with half of its loss from a teacher; not to be changed."""
    return trained(network(), network(seed=2), distill=0.5)


def test_a_network_comes_to_answer_as_its_teacher() -> None:
    student, teacher = network(seed=1), network(seed=2)
    teacher.get_layer("logits").kernel.assign(4 * teacher.get_layer("logits").kernel)
    before = distance(student, teacher)
    trained(student, teacher, distill=1.0, epochs=20, learning_rate=0.2, weight_decay=0.0)
    assert distance(student, teacher) < 0.6 * before


def test_labels_have_no_say_where_the_teacher_has_all_of_the_loss() -> None:
    teacher = network(seed=2)
    others = DataSet("noise", images(48, labels=lambda places: (places + 1) % 3), DATASET.test)
    one, other = (trained(network(), teacher, distill=1.0, dataset=data) for data in (DATASET, others))
    assert_same_weights(one, other)


def test_the_share_decides_between_labels_and_teacher(half: keras.Model) -> None:
    none, almost_none = trained(network()), trained(network(), network(seed=2), distill=1e-7)
    assert distance(none, almost_none) < 1e-3 * distance(none, half)


def test_the_temperature_counts(half: keras.Model) -> None:
    cold = trained(network(), network(seed=2), distill=0.5, distill_temperature=0.5)
    assert distance(cold, half) > 1e-4


def test_the_teacher_answers_for_the_same_augmented_images_in_inference_mode() -> None:
    """A twin whose statistics are never those of the batch has nothing to learn, however images are moved."""
    teacher = network(dropout=0.9)
    student = keras.models.clone_model(
        teacher, clone_function=lambda layer: type(layer).from_config(layer.get_config() | frozen(layer))
    )
    student.set_weights(teacher.get_weights())
    losses: list[float] = []
    trained(
        student,
        teacher,
        distill=1.0,
        learning_rate=1e-12,
        on_step=lambda done, total, figures: losses.append(figures["loss"]),
    )
    assert max(losses) < 1e-9


def frozen(layer: keras.Layer) -> dict[str, object]:
    if isinstance(layer, layers.Dropout):
        return {"rate": 0.0}
    return {"trainable": False} if isinstance(layer, layers.BatchNormalization) else {}


def test_the_teacher_stays_as_it_is() -> None:
    teacher, twin = network(seed=2, dropout=0.5), network(seed=2, dropout=0.5)
    trained(network(), teacher, distill=0.5)
    assert_same_weights(teacher, twin)
    assert len(teacher.trainable_variables) == len(twin.trainable_variables)


def test_half_precision_leaves_teacher_and_network_in_float32(half: keras.Model) -> None:
    teacher, twin = network(seed=2), network(seed=2)
    model = trained(network(), teacher, distill=0.5, mixed_precision=True)
    assert {variable.dtype for variable in (*model.variables, *teacher.variables)} == {"float32"}
    assert_same_weights(teacher, twin)
    assert 0 < distance(model, half) < 0.3 * distance(model, network())


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    options = {"distill": 0.7}
    unbroken = trained(network(), network(seed=2), **options)

    class Stop(Exception):
        pass

    def stop_in_the_second_epoch(done: int, total: int, figures: object) -> None:
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        trained(network(), network(seed=2), **options, checkpoints=tmp_path, on_step=stop_in_the_second_epoch)
    resumed = trained(network(), network(seed=2), **options, checkpoints=tmp_path)
    assert_same_weights(resumed, unbroken)


def test_one_step_is_compiled_for_all_epochs(monkeypatch) -> None:
    traced = []
    mixed = Teacher.mixed

    def counted(self: Teacher, *arguments: object, **others: object) -> object:
        traced.append(arguments)
        return mixed(self, *arguments, **others)

    monkeypatch.setattr(Teacher, "mixed", counted)
    trained(network(), network(seed=2), distill=0.5)
    assert len(traced) == 1


def test_a_teacher_may_end_in_a_softmax(half: keras.Model) -> None:
    assert_same_weights(trained(network(), network(seed=2, activation="softmax"), distill=0.5), half)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(StampError, match=r"--distill 0.5 needs a network to learn from, but got none; give"):
        trained(network(), distill=0.5)
    with pytest.raises(StampError, match="teacher needs --distill, its share of the loss, but that is 0"):
        trained(network(), network())
    small = keras.Sequential([keras.Input((4, 4, 3)), layers.Flatten(), layers.Dense(3)], name="small")
    with pytest.raises(StampError, match=r"must answer as the network does, .* but small answers"):
        trained(network(), small, distill=0.5)
    with pytest.raises(StampError, match=r"must end as the network does, in linear, but .* ends in sigmoid"):
        trained(network(), network(activation="sigmoid"), distill=0.5)


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("distill", 1.5, "distill must be between 0 and 1, but is 1.5; 0.0 is the default"),
        ("distill", "yes", "distill must be a finite number, but is 'yes'"),
        ("distill_temperature", 0, "distill_temperature must be above 0, but is 0"),
    ],
)
def test_values_out_of_range_are_refused(option: str, value: object, rule: str) -> None:
    with pytest.raises(StampError, match=rule):
        FinetuneConfig(**{option: value})
