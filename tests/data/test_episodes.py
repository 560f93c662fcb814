"""Episodes: disjoint classes, equal shots, determinism, and what they refuse."""

import numpy as np
import pytest

from stamp_tf.data import EpisodeSampler, ImageSet
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.errors import StampError


def sampler(image_set: ImageSet, **changes: int) -> EpisodeSampler:
    return EpisodeSampler(image_set, **({"ways": 2, "shots": 6, "num_tasks": 2, "seed": 0} | changes))


def test_shapes_and_types(image_set: ImageSet) -> None:
    episode = sampler(image_set).sample(0)
    assert (episode.images.shape, episode.images.dtype) == ((2, 12, 16, 16, 3), np.uint8)
    assert (episode.labels.shape, episode.labels.dtype) == ((2, 12), np.int32)
    assert (episode.classes.shape, episode.classes.dtype) == ((2, 2), np.int32)


def test_every_class_has_the_same_number_of_images(image_set: ImageSet) -> None:
    for labels in sampler(image_set).sample(0).labels:
        np.testing.assert_array_equal(np.bincount(labels), [6, 6])


def test_labels_are_positions_in_the_tasks_classes(image_set: ImageSet) -> None:
    episode = sampler(image_set).sample(4)
    for images, labels, classes in zip(episode.images, episode.labels, episode.classes, strict=True):
        # The first pixel of the toy images is their label in the data set.
        np.testing.assert_array_equal(images[:, 0, 0, 0], classes[labels])


def test_no_image_comes_twice_in_a_task(image_set: ImageSet) -> None:
    for images in sampler(image_set, shots=10).sample(0).images:
        assert len({image.tobytes() for image in images}) == 20


def test_tasks_of_a_step_have_disjoint_classes(image_set: ImageSet) -> None:
    for step in range(20):
        assert len(np.unique(sampler(image_set).sample(step).classes)) == 4


def test_more_tasks_than_classes_allow_are_disjoint_within_themselves(image_set: ImageSet) -> None:
    classes = sampler(image_set, ways=3, num_tasks=5).sample(0).classes
    assert classes.shape == (5, 3)
    assert all(len(np.unique(row)) == 3 for row in classes)


def test_mini_batches_mix_the_classes(image_set: ImageSet) -> None:
    labels = sampler(image_set, shots=10).sample(0).labels
    assert all(len(np.unique(row[:10])) == 2 for row in labels)


def test_step_and_seed_decide_everything(image_set: ImageSet) -> None:
    first = sampler(image_set).sample(7)
    np.testing.assert_array_equal(first.images, sampler(image_set).sample(7).images)
    assert (first.images != sampler(image_set).sample(8).images).any()
    assert (first.images != sampler(image_set, seed=1).sample(7).images).any()


def test_refuses_more_ways_than_classes(image_set: ImageSet) -> None:
    with pytest.raises(
        StampError, match=r"--ways must be at most the number of classes, but is 5.*has 4; give"
    ):
        sampler(image_set, ways=5)


def test_refuses_more_shots_than_images_of_the_scarcest_class(image_set: ImageSet) -> None:
    scarce = image_set.take(np.flatnonzero((image_set.labels != 1) | (np.arange(40) < 12)))
    with pytest.raises(
        StampError, match=r"--shots must be at most.*is 6 and class 'class 1' has 3; give --shots 3"
    ):
        sampler(scarce)


@pytest.mark.parametrize(("option", "value"), [("ways", 1), ("shots", 0), ("num_tasks", 0), ("seed", -1)])
def test_refuses_numbers_out_of_range(image_set: ImageSet, option: str, value: int) -> None:
    with pytest.raises(StampError, match=f"must be at least .*but is {value}; give a larger number"):
        sampler(image_set, **{option: value})


def test_refuses_a_streamed_set() -> None:
    streamed = StreamedSet(
        origin="--dataset toy",
        examples=lambda order_seed: [],
        num_images=40,
        image_shape=(16, 16, 3),
        class_names=("a", "b"),
    )
    with pytest.raises(StampError, match=r"episodes must be drawn from images in memory.*give --train-size"):
        EpisodeSampler(streamed, ways=2, shots=1, num_tasks=1, seed=0)


def test_a_part_of_the_tasks_is_what_it_is_in_the_whole(image_set: ImageSet) -> None:
    whole, part = (
        sampler(image_set, num_tasks=3).sample(5, part) for part in (slice(None), slice(1, None, 2))
    )
    for name in ("images", "labels", "classes"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[1::2])
