"""Wrong input from Python: one line that names the argument, the rule, what was received and the remedy."""

from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.baselines.metapruning import MetaPruningOptions
from stamp_tf.data import ImageSet, Normalization, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.options.pretrain import PretrainConfig
from stamp_tf.options.prune import PruneConfig

pytestmark = pytest.mark.usefixtures("messages_in_python")


def refused(function, *arguments, **options) -> str:
    with pytest.raises(StampError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "--" not in message
    return message


@pytest.mark.parametrize(
    ("function", "positional", "name", "fields", "suggestion"),
    [
        (stamp_tf.prune, ("digits",), "max_flop", "max_flops", "'max_flops'"),
        (stamp_tf.prune, ("digits",), "epochs", "finetune", "finetune=FinetuneConfig(epochs=...)"),
        (stamp_tf.prune, ("digits",), "zzz", "keep_params", None),
        (stamp_tf.pretrain, ("digits", "run"), "epoch", "budget_epochs", "'epochs'"),
        (stamp_tf.meta_train, ("digits", "reference", "run"), "outer_step", "outer_rates", "'outer_steps'"),
    ],
)
def test_unknown_keyword_lists_the_fields_and_suggests_one(function, positional, name, fields, suggestion):
    message = refused(function, *positional, **{name: 1})
    assert f"There is no argument {name!r}" in message
    assert fields in message
    assert ("Did you mean" in message) == (suggestion is not None)
    assert suggestion is None or f"Did you mean {suggestion}?" in message


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        (
            PruneConfig,
            {"max_flops": "25%"},
            "max_flops must be a finite number or None, but is '25%' (str); write 0.25.",
        ),
        (
            PruneConfig,
            {"max_flops": "0.25"},
            "max_flops must be a finite number or None, but is '0.25' (str)",
        ),
        (PruneConfig, {"max_flops": True}, "max_flops must be a finite number or None, but is True (bool)"),
        (PruneConfig, {"max_flops": np.nan}, "max_flops must be a finite number"),
        (PruneConfig, {"max_flops": 25}, "max_flops must be a fraction above 0 and at most 1, but got 25"),
        (PruneConfig, {"keep": 3}, "keep must be a list, each text or text, but is 3 (int)"),
        (PruneConfig, {"keep": [1]}, "keep must be a list, each text or text, but is [1] (list)"),
        (
            PruneConfig,
            {"round_to": 8.5},
            "round_to must be a whole number, but is 8.5 (float); 1 is the default.",
        ),
        (PruneConfig, {"seed": 2**32}, "seed must be between 0 and 4294967295, but is 4294967296"),
        (PruneConfig, {"seed": -1}, "seed must be between 0 and 4294967295, but is -1"),
        (PruneConfig, {"seed": None}, "seed must be a whole number, but is None"),
        (
            PruneConfig,
            {"head": "rigde"},
            "head must be 'logistic' or 'ridge' or 'random' or 'keep' or None, but is 'rigde'",
        ),
        (
            PruneConfig,
            {"finetune": {"epochs": 1}},
            "finetune must be FinetuneConfig, but is {'epochs': 1} (dict)",
        ),
        (PruneConfig, {"structure_only": "yes"}, "structure_only must be True or False, but is 'yes'"),
        (PruneConfig, {"options": [1]}, "options must be a dict, but is [1] (list)"),
        (FinetuneConfig, {"epochs": 1.5}, "epochs must be a whole number or None, but is 1.5"),
        (FinetuneConfig, {"epochs": -1}, "epochs must be 0 or more, but is -1; 20 is usual."),
        (FinetuneConfig, {"batch_size": 0}, "batch_size must be at least 1, but is 0"),
        (FinetuneConfig, {"learning_rate": float("inf")}, "learning_rate must be a finite number or None"),
        (
            FinetuneConfig,
            {"momentum": 1},
            "momentum must be at least 0 and below 1, but is 1.0; 0.9 is the default.",
        ),
        (
            PretrainConfig,
            {"budgets": 0.5},
            "budgets must be 2 values, each a finite number, but is 0.5 (float)",
        ),
        (PretrainConfig, {"budgets": (0.5, 0.1)}, "budgets must be LOW:HIGH"),
        (PretrainConfig, {"backbone": None}, "backbone must be text, but is None"),
        (PretrainConfig, {"seed": 2**40}, "seed must be between 0 and"),
        (
            MetaTrainConfig,
            {"inner_rates": (1e-3, "x", 1)},
            "inner_rates must be 3 values, each a finite number",
        ),
        (MetaPruningOptions, {"epochs": -1}, 'options["epochs"] must be 0 or more, but is -1; leave it out.'),
        (MetaTrainConfig, {"tasks": 0}, "tasks must be at least 1, but is 0"),
        (MetaTrainConfig, {"ways": 1}, "ways must be at least 2, but is 1"),
        (MetaTrainConfig, {"sparsity": "l1"}, "sparsity must be 'budgets' or 'kl', but is 'l1'"),
    ],
)
def test_field_of_another_type_or_out_of_range(config, options, expected):
    assert expected in refused(config, **options)


def test_numbers_of_numpy_and_lists_are_accepted():
    config = PruneConfig(
        max_flops=np.float32(0.5),
        round_to=np.int64(8),
        keep=["stem*"],
        seed=np.uint32(3),
        structure_only=np.True_,
    )
    assert (config.max_flops, config.round_to, config.keep, config.seed) == (0.5, 8, ("stem*",), 3)
    assert [type(value) for value in (config.max_flops, config.round_to, config.structure_only)] == [
        float,
        int,
        bool,
    ]
    assert PruneConfig(keep="stem*").keep == ("stem*",)
    assert PretrainConfig(budgets=[np.float64(0.1), 1]).budgets == (0.1, 1.0)
    assert FinetuneConfig(evaluate=[1, 3]).evaluate == [1, 3]


@pytest.mark.parametrize("dataset", [123, None, ["digits"], (np.zeros(3), np.zeros(3))])
def test_data_set_of_another_type(dataset):
    message = refused(stamp_tf.prune, dataset, max_flops=0.5)
    assert "dataset must be a name such as 'cifar10'" in message
    assert f"but is of type {type(dataset).__name__}" in message


def test_path_as_data_set_says_how_to_write_it():
    assert "write 'folder:photos'" in refused(stamp_tf.prune, Path("photos"), max_flops=0.5)
    assert "write 'npz:a.npz'" in refused(stamp_tf.prune, Path("a.npz"), max_flops=0.5)


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (stamp_tf.prune, ("digits", 123), "reference must be a reference, a run directory or a file"),
        (stamp_tf.evaluate, (123,), "run must be a path, but is 123 (int)"),
        (stamp_tf.evaluate, ("",), "run must be a path, but is '' (str)"),
        (stamp_tf.inspect, (None,), "network must be a path, but is None"),
        (stamp_tf.compare, (7,), "runs must be a path, but is 7"),
        (stamp_tf.compare, ("runs/a",), "runs must be given at least twice, but came once"),
        (stamp_tf.export_run, ("runs/a", "runs/b"), "result must be what stamp_tf.prune returned"),
        (stamp_tf.pretrain, ("digits", None), "run_dir must be a path, but is None"),
        (stamp_tf.trace_channels, ("model.keras",), "must be a functional Keras model, but got str"),
        (load_dataset, ("digits:x",), "dataset digits must stand alone"),
    ],
)
def test_argument_of_another_type(function, arguments, expected):
    options = {"max_flops": 0.5} if function is stamp_tf.prune else {}
    assert expected in refused(function, *arguments, **options)


def test_config_of_another_kind():
    message = refused(stamp_tf.prune, "digits", config={"max_flops": 0.5})
    assert "config must be a PruneConfig, but is {'max_flops': 0.5} (dict)" in message


def test_data_that_has_to_be_fetched_names_the_call(tmp_path):
    message = refused(load_dataset, "cifar10", data_dir=tmp_path)
    assert "load it with stamp_tf.load_dataset(..., download=True)" in message


def test_remedies_are_those_of_python():
    assert refused(stamp_tf.prune, "digits", method="l1").endswith(
        "add keep_params, max_flops, max_memory or max_latency, or within to find one."
    )
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    assert "use method=" in refused(stamp_tf.prune, "digits", model, method="batch-norm", max_flops=0.5)


def test_dir_shows_what_is_public():
    assert dir(stamp_tf) == sorted(stamp_tf.__all__)
    assert {"prune", "export_run", "FinetuneConfig", "StampError"} <= set(dir(stamp_tf))


def test_unknown_name_suggests_one():
    with pytest.raises(AttributeError, match=r"no attribute 'prunes'\. Did you mean 'prune'\?"):
        _ = stamp_tf.prunes


@pytest.mark.parametrize("value", [None, 5, float("nan"), b"x", [], {}, object(), np.zeros(3), True])
def test_data_set_and_model_are_of_their_types(value):
    with pytest.raises(StampError, match=r"spec must be the name of a data set, but is of type"):
        stamp_tf.load_dataset(value)
    with pytest.raises(StampError, match=r"model must be a keras\.Model, but is of type"):
        stamp_tf.measure_latency(value)


@pytest.mark.parametrize("function", [stamp_tf.evaluate, stamp_tf.inspect])
def test_path_with_a_null_character_is_refused(function):
    with pytest.raises(StampError, match="must be a path"):
        function("runs/\0mine")


NUL, LONG = "a\0b", "x" * 5000


@pytest.mark.parametrize("name", [NUL, LONG, f"folder:{NUL}", f"npz:{LONG}"])
def test_data_set_that_no_file_can_be_called(name):
    assert "dataset" in refused(stamp_tf.load_dataset, name)
    assert "dataset" in refused(stamp_tf.prune, name, max_flops=0.5)


@pytest.mark.parametrize("path", [NUL, LONG, "\udcff"])
def test_place_that_no_file_can_have(path):
    toys = toy_set()
    for function, arguments, name in (
        (stamp_tf.evaluate, (path,), "run"),
        (stamp_tf.predict, (path, "."), "model"),
        (stamp_tf.predict, ("model", path), "pictures"),
        (stamp_tf.inspect, (path,), "network"),
        (stamp_tf.inspect, (f"{path}.keras",), "network"),
        (stamp_tf.compare, ([path, "b"],), "runs"),
        (stamp_tf.pretrain, (toys, path), "run_dir"),
        (stamp_tf.meta_train, (toys, "reference", path), "run_dir"),
        (stamp_tf.prune, (toys, path), "reference"),
        (stamp_tf.prune, (toys, f"{path}.keras"), "reference"),
    ):
        options = {"max_flops": 0.5} if function is stamp_tf.prune else {}
        assert refused(function, *arguments, **options).startswith(f"{name} must be a path, but is ")
    assert refused(stamp_tf.load_dataset, "digits", data_dir=path).startswith(
        "data_dir must be a path, but is "
    )


def toy_set() -> stamp_tf.DataSet:
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1], np.int32)
    part = ImageSet(images, labels, 2, class_names=("a", "b"))
    return stamp_tf.DataSet("toys", part, part)


def toy_model() -> keras.Model:
    layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.Flatten(), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


CHECKED = (
    *("load_dataset", "load_network", "pretrain", "meta_train", "prune", "sweep", "finetune", "shrink"),
    *("measure_latency", "evaluate", "predict", "inspect", "compare", "trace_channels", "remove_channels"),
    *("DataSet", "ImageSet"),
)


def usual_arguments() -> dict[str, tuple[object, dict[str, object]]]:
    """Every public function with arguments of the right types, up to the first that is to be changed."""
    toys, model = toy_set(), toy_model()
    run = {"run_dir": "run", "config": None, "resume": False, "overwrite": False, "on_step": None}
    return {
        "load_dataset": (
            stamp_tf.load_dataset,
            {"spec": "digits", "image_shape": None, "data_dir": None, "download": False, "train_size": None}
            | {"skip_corrupt": False, "seed": 0, "stream_above": 1},
        ),
        "pretrain": (stamp_tf.pretrain, {"dataset": toys, "start": None, **run}),
        "meta_train": (stamp_tf.meta_train, {"dataset": toys, "reference": "none", **run}),
        "prune": (
            stamp_tf.prune,
            {"dataset": toys, "reference": model, "backbone": "vgg19", "pixels": None, "config": None}
            | {"checkpoints": None, "resume": True, "on_step": None},
        ),
        "sweep": (
            stamp_tf.sweep,
            {"dataset": toys, "reference": model, "exports": ["keras"], "max_flops": [0.5], **run},
        ),
        "finetune": (
            stamp_tf.finetune,
            {"model": model, "dataset": toys, "normalization": Normalization.of(toys.train), "config": None}
            | {"end": None, "checkpoints": None, "resume": True, "on_step": None},
        ),
        "measure_latency": (
            stamp_tf.measure_latency,
            {"model": model, "kind": "inference", "batch_size": 1, "repeats": 1}
            | {"max_seconds": 0.1, "seed": 0},
        ),
        "evaluate": (stamp_tf.evaluate, {"run": "none", "dataset": "digits", "pixels": None}),
        "predict": (
            stamp_tf.predict,
            {"model": "none", "pictures": toys.test.images, "skip_corrupt": False, "on_step": None},
        ),
        "inspect": (stamp_tf.inspect, {"network": model}),
        "load_network": (
            stamp_tf.load_network,
            {"source": "keras:MobileNet", "image_shape": None, "download": False, "weights": False},
        ),
        "compare": (
            stamp_tf.compare,
            {"runs": ["a", "b"], "swap": False, "reference": None, "on_step": None},
        ),
        "trace_channels": (stamp_tf.trace_channels, {"model": model}),
        "remove_channels": (stamp_tf.remove_channels, {"model": model, "masks": {}, "channel_map": None}),
        "shrink": (
            stamp_tf.shrink,
            {"model": model, "inputs": toys.train.images, "on_step": None}
            | {"config": stamp_tf.ShrinkConfig(max_flops=0.5)},
        ),
        "DataSet": (
            stamp_tf.DataSet,
            {"name": "toys", "train": toys.train, "test": toys.test, "flips": True, "path": None}
            | {"test_by_content": False},
        ),
        "ImageSet": (
            ImageSet,
            {"images": toys.train.images, "labels": toys.train.labels, "num_classes": 2}
            | {"class_names": ("a", "b")},
        ),
    }


@pytest.mark.parametrize("name", CHECKED)
def test_every_argument_of_another_type_is_refused_by_name(name):
    function, usual = usual_arguments()[name]
    for argument in usual:
        for value in (b"bytes", object(), {1: 2}):
            message = refused(function, **{**usual, argument: value})
            # Masks are named as what they are of.
            assert argument.rstrip("s") in message.lower(), message


def test_every_public_function_is_held_to_its_types():
    # The options are held to theirs above, and what prune returns can only come from it.
    others = {
        "StampError",
        "__version__",
        "export_run",
        *(name for name in dir(stamp_tf) if name.endswith("Config")),
    }
    assert {*CHECKED, *others} - {"ImageSet"} == set(dir(stamp_tf))
