"""How exactly a masked network equals the sliced one, and a budget's masks their budget.

    python benchmarks/exactness.py
    python benchmarks/exactness.py --dtype float64   # is what differs rounding?

Logits of the network whose kernels are multiplied by a 0/1 mask, against those of the smaller network without
those channels, with moving statistics and with those of the batch. Costs are counted a second time from
the weights and outputs of sliced networks, without the cost model. A reference may be given with `--from`;
without it, weights are random and batch-norm scales, offsets and statistics are no ones and zeros.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library.results import Results

RESULTS = Path(__file__).parent / "results"
BUDGETS = (0.5, 0.25, 0.1, 0.05)
BACKBONES = ("vgg19", "resnet18")
BATCH_SIZE = 64
SEED = 0


def network(backbone: str, width: float, reference: str | None) -> Any:
    """Return a trained network, or one with random weights in which nothing is trivial."""
    import keras
    import numpy as np

    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.references.find import find_reference
    from stamp_tf.training.statistics import recalibrate_statistics

    if reference is not None:
        return find_reference(reference, backbone=backbone).model
    keras.utils.set_random_seed(SEED)
    model = BackboneConfig(
        name=backbone, input_shape=(32, 32, 3), num_classes=10, options={"width": width}
    ).build()
    rng = np.random.default_rng(SEED)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.3, layer.beta.shape))
    recalibrate_statistics(model, [rng.standard_normal((64, 32, 32, 3), dtype="float32")])
    return model


def difference(model: Any, channel_map: Any, mask: Any, images: Any) -> dict[str, float]:
    """Return the largest absolute difference of logits, masked against sliced, and the logits' deviation."""
    import keras
    import numpy as np

    from stamp_tf.channels import mask_kernels, slice_model

    sliced = slice_model(model, channel_map, mask)
    paths = [weight.path for weight in model.trainable_variables]
    values = [weight.value for weight in model.trainable_variables]
    masked = mask_kernels(channel_map, paths, weights=values, mask=keras.ops.convert_to_tensor(mask.values))
    statistics = [weight.value for weight in model.non_trainable_variables]
    figures = {}
    for name, training in (("moving_statistics", False), ("batch_statistics", True)):
        expected = np.asarray(model.stateless_call(masked, statistics, images, training=training)[0])
        own = (
            [v.value for v in sliced.trainable_variables],
            [v.value for v in sliced.non_trainable_variables],
        )
        found = np.asarray(sliced.stateless_call(*own, images, training=training)[0])
        figures[f"max_difference_{name}"] = float(np.abs(found - expected).max())
        figures[f"deviation_{name}"] = float(expected.std())
    return figures


def compare_networks(model: Any, *, masks_per_budget: int) -> dict[str, Any]:
    """Compare masked and sliced networks under random masks at several budgets."""
    import numpy as np

    from stamp_tf.channels import Budget, ChannelCut, CostModel, trace_channels

    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    rng = np.random.default_rng((SEED, 1))
    images = rng.standard_normal((BATCH_SIZE, *model.input_shape[1:])).astype(model.compute_dtype)
    rows = []
    for max_flops in BUDGETS:
        for _ in range(masks_per_budget):
            mask = cut.meet(rng.standard_normal(cut.num_channels), Budget(max_flops=max_flops))
            rows.append({"max_flops": max_flops, **difference(model, channel_map, mask, images)})
    figures: dict[str, Any] = {"num_masks": len(rows), "rows": rows}
    for name in ("moving_statistics", "batch_statistics"):
        figures[f"max_difference_{name}"] = max(row[f"max_difference_{name}"] for row in rows)
        figures[f"deviation_{name}"] = float(np.mean([row[f"deviation_{name}"] for row in rows]))
    return figures


def check_budgets(model: Any, *, num_draws: int, num_sliced: int) -> dict[str, Any]:
    """Cut random scores at random limits on parameters, FLOPs or both, and look at what comes out."""
    import numpy as np

    from stamp_tf.channels import Budget, ChannelCut, CostModel, slice_model, trace_channels

    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    cut = ChannelCut(channel_map, cost)
    rng = np.random.default_rng((SEED, 2))
    figures: dict[str, Any] = {"num_draws": num_draws, "num_sliced": num_sliced}
    above = next_fits = emptied = miscounted = 0
    usage = []
    for draw in range(num_draws):
        # Coarse scores now and then, for ties.
        scores = rng.standard_normal(cut.num_channels)
        scores = np.round(scores, 1) if draw % 4 == 0 else scores
        limits = np.exp(rng.uniform(np.log(0.02), 0.0, 2))
        kind = draw % 3
        budget = Budget(
            keep_params=float(limits[0]) if kind != 1 else None,
            max_flops=float(limits[1]) if kind != 0 else None,
        )
        mask = cut.meet(scores, budget)
        fractions = cost.exact_fractions(mask)
        above += int((fractions > budget.of_training).any())
        usage.append(float((fractions / budget.of_training).max()))
        emptied += int(mask.emptied(channel_map.groups) is not None)
        removed = np.flatnonzero(~mask.kept)
        if len(removed):
            one_more = np.array(mask)
            one_more[removed[np.argsort(-scores[removed], kind="stable")[0]]] = 1.0
            next_fits += int((cost.exact_fractions(one_more) <= budget.of_training).all())
        if draw < num_sliced:
            counted = count_again(slice_model(model, channel_map, mask))
            miscounted += int(counted != (cost.parameters(mask), cost.flops(mask)))
    return figures | {
        "above_budget": above,
        "next_channel_fits": next_fits,
        "emptied_layers": emptied,
        "miscounted": miscounted,
        "smallest_usage": min(usage),
        "median_usage": float(np.median(usage)),
    }


def count_again(model: Any) -> tuple[int, int]:
    """Count trainable parameters and multiply-adds of a network from its own weights and outputs."""
    import keras
    import numpy as np

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    flops = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            flops += int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:-1]))
    return parameters, flops


def main(arguments: Sequence[str]) -> None:
    """Check every backbone that has no record yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbones", type=lambda text: tuple(text.split(",")), default=BACKBONES)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--from", dest="reference", help="a trained reference, for one backbone")
    parser.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of all but the head"
    )
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--masks", type=int, default=5, help="masks per budget")
    parser.add_argument("--sliced", type=int, default=20, help="draws whose cost is counted a second time")
    parser.add_argument("--results", type=Path, default=RESULTS / "exactness.jsonl")
    options = parser.parse_args(arguments)
    if options.reference is not None and len(options.backbones) != 1:
        parser.error("--from fits one backbone; name it by --backbones.")

    import keras

    keras.config.set_floatx(options.dtype)
    keras.config.set_dtype_policy(options.dtype)
    results = Results(options.results, program="exactness", arguments=arguments)
    for backbone in options.backbones:
        model = None
        shared = {"backbone": backbone, "width": options.width, "dtype": options.dtype}
        shared["weights"] = "random" if options.reference is None else "trained"
        for case in (
            shared | {"check": "masked and sliced", "masks_per_budget": options.masks},
            shared | {"check": "budgets", "draws": options.draws},
        ):
            if results.figures(case) is not None:
                print(f"already measured: {case}")
                continue
            if case["check"] == "budgets" and options.dtype != "float32":
                continue  # costs do not depend on it
            model = model or network(backbone, options.width, options.reference)
            if case["check"] == "budgets":
                figures = check_budgets(model, num_draws=options.draws, num_sliced=options.sliced)
            else:
                figures = compare_networks(model, masks_per_budget=options.masks)
            results.add(case, figures, seed=SEED)
            print(case, {name: value for name, value in figures.items() if name != "rows"}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
