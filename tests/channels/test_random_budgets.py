"""Random small networks and random budgets: never above, never one step short, no rule broken."""

import dataclasses

import keras
import numpy as np
from keras import layers

from stamp_tf.channels import Budget, ChannelCut, CostModel, WidthRules, slice_model, trace_channels

NUM_NETWORKS = 20
DRAWS = 10


def random_network(rng: np.random.Generator) -> keras.Model:
    """Stack three to five random blocks on a small image: plain, strided, grouped, separable, tied or nested."""
    image = x = keras.Input((8, 8, 3), name="image")
    for index in range(rng.integers(3, 6)):
        filters = 2 * int(rng.integers(2, 9))
        name = f"block{index}"
        kind = rng.choice(["plain", "strided", "grouped", "separable", "residual", "concatenated", "nested"])
        options = {"padding": "same", "name": f"{name}_conv"}
        if kind == "grouped" and x.shape[-1] % 2 == 0:
            x = layers.Conv2D(filters, 3, groups=2, **options)(x)
        elif kind == "separable":
            x = layers.SeparableConv2D(filters, 3, **options)(x)
        elif kind == "residual":
            branch = layers.Conv2D(x.shape[-1], 3, **options)(x)
            x = layers.Add(name=f"{name}_sum")(
                [layers.Conv2D(x.shape[-1], 1, name=f"{name}_short")(x), branch]
            )
        elif kind == "concatenated":
            x = layers.Concatenate(name=f"{name}_both")([x, layers.Conv2D(filters, 3, **options)(x)])
        elif kind == "nested":
            inside = keras.Input(x.shape[1:], name=f"{name}_inside")
            x = keras.Model(inside, layers.Conv2D(filters, 3, **options)(inside), name=name)(x)
        else:
            x = layers.Conv2D(filters, 3, strides=2 if kind == "strided" else 1, **options)(x)
        x = layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x))


def random_rules(rng: np.random.Generator, names: list[str]) -> WidthRules:
    """Ask for nothing in one of two cases, else for multiples, a least number and now and then a kept layer."""
    if rng.random() < 0.5:
        return WidthRules()
    keep = (str(rng.choice(names)),) if rng.random() < 0.3 else ()
    return WidthRules(int(rng.integers(1, 4)), int(rng.integers(1, 7)), keep)


def random_budget(rng: np.random.Generator, cut: ChannelCut, smallest: np.ndarray) -> Budget:
    """Draw one to three limits between the smallest reachable network and the full one."""
    cost = cut.cost_model
    params, flops = cost.exact_fractions(smallest)
    low = {
        "keep_params": params,
        "max_flops": flops,
        "max_memory": cost.activation_bytes(smallest) / cost.full_activation_bytes,
    }
    chosen = rng.choice(list(low), rng.integers(1, 4), replace=False)
    limits = {name: float(np.exp(rng.uniform(np.log(low[name]), 0))) for name in chosen}
    if "max_memory" in limits and rng.random() < 0.5:
        limits["max_memory"] = float(np.ceil(limits["max_memory"] * cost.full_activation_bytes))
    return Budget(**limits)


def bytes_allowed(budget: Budget, cost: CostModel) -> float:
    limit = {limit.kind.name: limit.value for limit in budget.limits}.get("max_memory", np.inf)
    return limit * cost.full_activation_bytes if limit <= 1 else limit


def is_within(budget: Budget, cost: CostModel, mask: np.ndarray) -> bool:
    """Whether the limits hold, said anew from the counts."""
    counts = cost.parameters(mask), cost.flops(mask), cost.activation_bytes(mask)
    params, flops = budget.of_training
    # The last bit of a product may differ from that of the quotient which the cut compares.
    limits = params * cost.full[0], flops * cost.full[1], bytes_allowed(budget, cost)
    return all(count <= limit * (1 + 1e-12) for count, limit in zip(counts, limits, strict=True))


def test_200_random_budgets_of_random_networks() -> None:
    num_cut = num_rounded = 0
    for seed in range(NUM_NETWORKS):
        rng = np.random.default_rng(seed)
        model = random_network(rng)
        channel_map = trace_channels(model)
        cost = CostModel(model, channel_map)
        names = [group.name.split("+")[0] for group in channel_map.groups]
        for _ in range(DRAWS):
            rules = random_rules(rng, names)
            cut = ChannelCut(channel_map, cost, rules=rules)
            # Few distinct scores, so that ties are met.
            scores = np.round(rng.normal(size=channel_map.num_channels), 1)
            ranking = cut.rank(scores)
            budget = random_budget(rng, cut, ranking.mask(0))
            mask = cut.meet(scores, budget)
            assert is_within(budget, cost, mask)
            assert rules.allow(channel_map, mask)
            assert mask.emptied(channel_map.groups) is None
            best = [np.argsort(-scores[group.slice], kind="stable") for group in channel_map.groups]
            for group, order in zip(channel_map.groups, best, strict=True):
                # The best of each group stay, the first ones of equal score.
                assert (np.diff(mask[group.slice][order]) <= 0).all()
            outside = ranking.steps[~mask.kept]
            if (outside <= ranking.num_steps).any():
                num_cut += 1
                num_rounded += rules.round_to > 1
                one_more = np.maximum(mask, ranking.mask(outside.min()))
                assert not is_within(budget, cost, one_more)
                assert np.count_nonzero(one_more != mask) == rules.round_to
    assert num_cut > 120
    assert num_rounded > 30


def test_counts_of_random_networks_are_those_of_the_built_ones() -> None:
    for seed in range(NUM_NETWORKS, NUM_NETWORKS + 5):
        rng = np.random.default_rng(seed)
        model = random_network(rng)
        channel_map = trace_channels(model)
        cost = CostModel(model, channel_map)
        ranking = ChannelCut(channel_map, cost).rank(rng.normal(size=channel_map.num_channels))
        mask = ranking.mask(ranking.num_steps // 2)
        smaller = slice_model(model, channel_map, mask)
        smaller_map = trace_channels(smaller)
        built = CostModel(smaller, smaller_map)
        ones = np.ones(smaller_map.num_channels)
        as_built = [dataclasses.astuple(row) for row in built.table(ones, weightless=True)]
        assert [dataclasses.astuple(row) for row in cost.table(mask, weightless=True)] == as_built
        assert cost.parameters(mask) == sum(int(np.prod(w.shape)) for w in smaller.trainable_weights)
