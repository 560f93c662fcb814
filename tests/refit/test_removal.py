"""The order in which channels go: by what a refit leaves, held against trying every channel."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channels import Budget, TracedNetwork, trace_channels
from stamp_tf.refit.removal import prices_of, removal_orders, removal_scores

pytestmark = pytest.mark.usefixtures("float64")


def images(count: int = 60) -> np.ndarray:
    return np.random.default_rng(3).normal(0.5, 1.0, (count, 6, 6, 2))


def orders(model: keras.Model, *given: np.ndarray, **options):
    batches = list(given) or [images()]
    return removal_orders(
        model, trace_channels(model), lambda: batches, **{"ridge": 1e-6, "places": 1000} | options
    )


def left_without(read: np.ndarray, written: np.ndarray, gone: tuple[int, ...], channels: int) -> float:
    """The squares that least squares from the other channels leaves, as a fraction."""
    stay = [index for index in range(read.shape[1]) if index % channels not in gone]
    x = read[:, stay] - read[:, stay].mean(0)
    y = written - written.mean(0)
    loading = 1e-6 * np.square(read - read.mean(0)).sum(0).mean()
    kernel = np.linalg.lstsq(
        np.concatenate([x, np.sqrt(loading) * np.eye(len(stay))]),
        np.concatenate([y, np.zeros((len(stay), y.shape[1]))]),
        rcond=None,
    )[0]
    return float(np.square(y - x @ kernel).sum() / np.square(y).sum())


@pytest.mark.parametrize("width", [1, 3])
def test_each_step_takes_the_channel_that_leaves_least_behind(width: int) -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="first")(image)
    model = keras.Model(image, layers.Conv2D(4, width, name="reader")(x))
    (order,) = orders(model)

    read = np.asarray(keras.Model(image, x)(images()))
    patches = np.lib.stride_tricks.sliding_window_view(read, (width, width), axis=(1, 2))
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, width * width * 5)
    written = np.asarray(model(images())).reshape(-1, 4)
    gone: tuple[int, ...] = ()
    for channel, error in zip(order.channels[:-1], order.errors[:-1], strict=True):
        errors = {
            other: left_without(patches, written, (*gone, other), 5)
            for other in range(5)
            if other not in gone
        }
        assert channel == min(errors, key=errors.get)
        assert error == pytest.approx(errors[channel], rel=1e-2, abs=1e-4)
        gone = (*gone, int(channel))


def test_a_channel_that_another_can_stand_in_for_goes_first() -> None:
    image = keras.Input((6, 6, 2))
    first = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")
    model = keras.Model(image, layers.Conv2D(3, 3)(first(image)))
    kernel = np.array(first.kernel)
    kernel[..., 3] = 2.0 * kernel[..., 1]
    first.kernel.assign(kernel)
    (order,) = orders(model)
    assert order.channels[0] in (1, 3)
    assert order.errors[0] < 0.1 * order.errors[1]


def test_readers_of_one_group_are_asked_together() -> None:
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, activation="relu", name="first")(image)
    one, other = layers.Conv2D(2, 1, name="one"), layers.Conv2D(2, 1, name="other")
    model = keras.Model(image, layers.Concatenate()([one(x), other(x)]))
    # Each reader alone could do without the channels that the other one lives on.
    for layer, needed in ((one, [0, 1]), (other, [0, 2])):
        kernel = np.zeros(layer.kernel.shape)
        kernel[0, 0, needed] = [[3.0, 1.0], [-2.0, 2.0]]
        layer.kernel.assign(kernel)
    (order,) = orders(model)
    assert order.channels[0] == 3
    assert order.channels[-1] == 0


def greedy_errors(read: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What is left without more and more channels, each step looking at all of them: one input a channel."""
    centred = read - read.mean(0)
    gram = centred.T @ centred / len(read)
    written = (kernel * (gram @ kernel)).sum()
    inverse = np.linalg.inv(gram + 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    kernel, left, errors = kernel.copy(), list(range(len(gram))), []
    while len(left) > 1:
        prices = np.square(kernel[left]).sum(1) / inverse[left, left]
        gone = left.pop(int(np.argmin(prices)))
        errors.append(prices.min() / written)
        column = inverse[:, gone] / inverse[gone, gone]
        kernel -= np.outer(column, kernel[gone])
        inverse -= np.outer(column, inverse[gone])
    return np.cumsum(errors)


def test_a_large_group_goes_several_at_a_time_and_as_well() -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((400,))
    x = layers.Dense(300, activation="relu")(image)
    reader = layers.Dense(60)
    model = keras.Model(image, reader(x))
    given = np.random.default_rng(0).normal(size=(900, 400))
    (order,) = orders(model, given)

    read = np.asarray(keras.Model(image, x)(given))
    best = greedy_errors(read, np.asarray(reader.kernel))
    np.testing.assert_allclose(order.errors[:-1], best, rtol=0.02, atol=1e-9)
    # What is said to be left is: the errors of those that go together hold for all of them.
    for count in (3, 100, 250):
        gone = tuple(int(channel) for channel in order.channels[:count])
        left = left_without(read, np.asarray(model(given)), gone, 300)
        assert order.errors[count - 1] == pytest.approx(left, rel=1e-3)


def test_of_twins_in_a_large_group_one_stays() -> None:
    image = keras.Input((200,))
    first = layers.Dense(256, activation="relu")
    x = first(image)
    readers = [layers.Dense(30)(x), layers.Dense(20)(x)]
    model = keras.Model(image, layers.Concatenate()(readers))
    kernel = np.array(first.kernel)
    kernel[:, 128:] = kernel[:, :128]
    first.kernel.assign(kernel)
    (order,) = orders(model, np.random.default_rng(0).normal(size=(600, 200)))
    assert len(set(order.channels[:128] % 128)) == 128
    assert order.errors[127] < 1e-4 < 1e-2 * order.errors[-2]


def test_errors_never_fall_and_every_channel_goes_once(residual_network: keras.Model) -> None:
    channel_map = trace_channels(residual_network)
    found = removal_orders(
        residual_network, channel_map, lambda: [np.random.default_rng(0).normal(size=(8, 8, 8, 3))]
    )
    gone = list(itertools.chain.from_iterable(order.channels for order in found))
    assert sorted(gone) == list(range(channel_map.num_channels))
    for order in found:
        assert (np.diff(order.errors) >= 0).all()
        scores = removal_scores(channel_map, found)[order.channels]
        assert (np.diff(scores) > 0).all()
        # What a sum passes on counts for more.
        weight = 3 if len(channel_map.groups[channel_map.group_of[order.channels[0]]].producers) > 1 else 1
        np.testing.assert_allclose(scores, weight * np.maximum.accumulate(np.diff(order.errors, prepend=0.0)))


def test_errors_are_those_of_the_sum_that_a_branch_is_a_term_of() -> None:
    def network(strength: float) -> keras.Model:
        keras.utils.set_random_seed(0)
        image = keras.Input((6, 6, 8))
        x = layers.Conv2D(6, 1, name="inner")(image)
        gamma = keras.initializers.Constant(strength)
        x = layers.BatchNormalization(gamma_initializer=gamma)(layers.Conv2D(8, 1)(x))
        return keras.Model(image, layers.Add()([x, image]))

    given = np.random.default_rng(0).normal(size=(64, 6, 6, 8))
    found = {}
    for strength in (0.1, 0.2):
        model = network(strength)
        (order,) = orders(model, given)
        total = np.asarray(model(given)).reshape(-1, 8).var(axis=0).sum()
        found[strength] = order.errors[:-1] * total
    # The weaker a branch, the less of the sum is lost with it.
    np.testing.assert_allclose(found[0.2], 4 * found[0.1], rtol=1e-4)


def test_a_price_divides_the_growth_of_the_error(residual_network: keras.Model) -> None:
    channel_map = trace_channels(residual_network)
    found = orders(residual_network, np.random.default_rng(0).normal(size=(8, 8, 8, 3)))
    prices = 1.0 + channel_map.group_of
    np.testing.assert_allclose(
        removal_scores(channel_map, found, prices=prices) * prices, removal_scores(channel_map, found)
    )


def test_prices_are_of_what_is_limited(residual_network: keras.Model) -> None:
    network = TracedNetwork.of(residual_network)
    for budget, kinds in (
        (Budget(max_flops=0.5), [1]),
        (Budget(keep_params=0.5), [0]),
        (Budget(max_memory=1e6), [1]),
        (Budget(max_flops=0.5, keep_params=0.5), [0, 1]),
    ):
        prices = prices_of(network.cost_model, budget)
        halves = np.full(network.channel_map.num_channels, 0.5, "float32")
        expected = np.asarray(network.cost_model.prices(halves))[kinds].sum(axis=0)
        np.testing.assert_allclose(prices / prices.sum(), expected / expected.sum(), rtol=1e-5)


def test_readers_of_a_part_and_of_a_channel_several_times() -> None:
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="first")(image)
    front, _ = keras.ops.split(x, 2, axis=-1)
    twice = layers.Concatenate()([x, front])
    one, other = layers.Conv2D(2, 1, name="one"), layers.Conv2D(2, 1, name="other")
    model = keras.Model(image, layers.Concatenate()([one(front), other(twice)]))
    # The two halves of a split go together: channel 1 is slice 1 of one kernel, and slices 1, 3 and 5 of the other.
    for layer, unused in ((one, [1]), (other, [1, 3, 5])):
        kernel = np.array(layer.kernel)
        kernel[..., unused, :] = 0.0
        layer.kernel.assign(kernel)
    (order,) = orders(model)
    assert list(order.channels) == [1, 0]
    assert order.errors[0] < 1e-9


def test_channels_behind_flatten_and_in_concatenations() -> None:
    image = keras.Input((6, 6, 2))
    left = layers.Conv2D(3, 3, name="left")(image)
    right = layers.Conv2D(2, 3, name="right")(image)
    x = layers.Flatten()(layers.Concatenate()([left, right]))
    model = keras.Model(image, layers.Dense(3)(x))
    kernel = np.array(model.layers[-1].kernel).reshape(4, 4, 5, 3)
    kernel[:, :, [1, 4]] = 0.0
    model.layers[-1].kernel.assign(kernel.reshape(-1, 3))
    first = {order.channels[0] for order in orders(model, ridge=1e-2)}
    by_name = {group.name: group.start for group in trace_channels(model).groups}
    assert first == {by_name["left"] + 1, by_name["right"] + 1}
