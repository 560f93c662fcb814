"""What differs in a run that is to go on, as arguments in backticks."""

import pytest

from stamp_tf.changed_options import changed_options

NETWORK = {"name": "vgg19", "input_shape": [32, 32, 3], "options": {"width": 0.25}}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"epochs": 20}, {"epochs": 30}, "`epochs` was 20 and is 30"),
        (
            {"command": "prune", "epochs": 20},
            {"epochs": 30, "command": "prune"},
            "`epochs` was 20 and is 30",
        ),
        ({"start": None}, {"start": {"a": "b" * 99}}, "`start` is another one now"),
        ({"from": "/a"}, {"from": None}, "`reference` was '/a' and is not given"),
        (
            {"backbone": NETWORK},
            {"backbone": {**NETWORK, "options": {}}},
            "`backbone_options.width` was 0.25 and is not given",
        ),
        (
            {"backbone": NETWORK},
            {"backbone": {**NETWORK, "input_shape": [48, 64, 3]}},
            "`image_shape` was 32x32 and is 48x64",
        ),
        ({"options": {"epochs_prune": 1}}, {"options": {}}, "`options.epochs_prune` was 1 and is not given"),
        ({"options": {"rates": 1}}, {"options": {"rates": 2}}, "`options.rates` was 1 and is 2"),
        ({"augment": True}, {"augment": "rand"}, "`augment` was not given and is 'rand'"),
        ({"flip": True}, {"flip": False}, "`set:flips=False` was not given and is given"),
        (
            {"mixed_precision": False},
            {"mixed_precision": True},
            "`mixed_precision=True` was not given and is given",
        ),
        ({"refit": None}, {"refit": False}, "`refit=False` was not given and is given"),
        ({"refit": True}, {"refit": False}, "`refit=True` was given and is not given"),
        ({"budgets": [0.06, 1.0]}, {"budgets": [0.1, 1.0]}, "`budgets` was 0.06:1 and is 0.1:1"),
        ({"train_images": 9}, {"train_images": 8}, "`dataset` had 9 training images and has 8"),
        ({"momentum": 0.9}, {"momentum": 0.8}, "momentum was 0.9 and is 0.8"),
    ],
)
def test_options_are_named_as_arguments(before, now, expected):
    assert changed_options(before, now) == [expected]


def test_options_that_are_no_more_count_only_where_something_was_asked_for():
    before = {"command": "meta-train", "tasks": 4, "inner": "adam", "fixed_weights": False}
    assert not changed_options(before, {"command": "meta-train", "tasks": 4})
    assert changed_options({**before, "inner": "ridge"}, {"command": "meta-train", "tasks": 4}) == [
        "`inner` was 'ridge' and is not given"
    ]
    plain = {"command": "pretrain", "mask_generator": None, "mask_generator_options": {}}
    assert not changed_options(plain, {"command": "pretrain"})
