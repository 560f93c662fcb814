"""Images per second of a masked first-order MAML task against plain training steps of the same network.

    python benchmarks/meta_step.py --width 0.25 --alternations 12
    python benchmarks/meta_step.py --width 1.0 --alternations 3

One task is five mini-batches of 128: four inner Adam steps on fast weights and the gradient of the fifth, under
masks that the set encoder and the mask generator make anew for every mini-batch from all 640 images, and one
outer Adam step. The plain network takes five Adam steps on the same mini-batches. Both are compiled and warm;
they take turns, so that a drifting machine meets them alike. Speed does not depend on pixels: images are random.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from library.results import Results

RESULTS = Path(__file__).parent / "results"
MAX_FLOPS = 0.25
SEED = 0


def variants_of(
    backbone: str, width: float, *, ways: int, image_size: int, batch_size: int, num_batches: int
) -> dict[str, Callable[[], Any]]:
    """Build functions that each train on all mini-batches once and wait for the device.

    Args:
        backbone: Registered name.
        width: Its width factor.
        ways: Classes.
        image_size: Height and width of an image.
        batch_size: Images per mini-batch.
        num_batches: Mini-batches.

    Returns:
        `plain`, `masked`, and `unmasked`: the same task without encoder, generator and masks.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    from stamp_tf.channels import ChannelCut, CostModel, trace_channels
    from stamp_tf.layers.make_layer import make_layer
    from stamp_tf.layers.registered import MASK_GENERATOR, SET_ENCODER
    from stamp_tf.meta.meta_step import compile_meta_step
    from stamp_tf.meta.objective import StampObjective
    from stamp_tf.options.meta_train import MetaTrainConfig
    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.training.budget_loss import plain_loss
    from stamp_tf.training.reference_steps import compile_plain_step

    class UnmaskedObjective(StampObjective):
        """The task's loss without anything of STAMP in it."""

        def __call__(
            self, phi: Sequence[Any], statistics: Sequence[Any], images: Any, labels: Any, **_: Any
        ) -> tuple[Any, tuple[list[Any], dict[str, Any]]]:
            loss, (statistics, figures) = plain_loss(
                self.model, self.parts.split(phi)[0], statistics, images=images, labels=labels
            )
            zero = tf.zeros(())
            return loss, (statistics, figures | {"prior": zero, "keep_ratio": zero})

    keras.utils.set_random_seed(SEED)
    config = MetaTrainConfig()
    network = BackboneConfig(
        name=backbone, input_shape=(image_size, image_size, 3), num_classes=ways, options={"width": width}
    )
    rng = np.random.default_rng(SEED)
    batches = tf.constant(
        rng.standard_normal((1, num_batches, batch_size, *network.input_shape), dtype="float32")
    )
    labels = tf.constant(rng.integers(ways, size=(1, num_batches, batch_size)).astype("int32"))
    limits = tf.constant([[np.inf, MAX_FLOPS]], "float32")

    def meta_task(objective_class: type[StampObjective]) -> Callable[[], Any]:
        model = network.build()
        channel_map = trace_channels(model)
        encoder = make_layer(
            SET_ENCODER,
            config.set_encoder,
            config.set_encoder_options,
            shape=(None, *network.input_shape),
        )
        generator = make_layer(
            MASK_GENERATOR,
            config.mask_generator,
            {"group_sizes": list(channel_map.group_sizes)},
            shape=(1, channel_map.num_channels),
        )
        cut = ChannelCut(channel_map, CostModel(model, channel_map))
        objective = objective_class(model, generator, set_encoder=encoder, cut=cut)
        optimizers = [keras.optimizers.Adam(rate) for rate in config.outer_rates]
        for optimizer, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
            optimizer.build(part)
        step = compile_meta_step(
            objective, optimizers, inner_rates=objective.parts.spread(*config.inner_rates)
        )
        uniform = tf.constant(
            rng.uniform(size=(1, num_batches, 2, channel_map.num_channels)).astype("float32")
        )
        return lambda: float(step(batches, labels, uniform, limits)["loss"])

    def plain() -> Callable[[], Any]:
        model = network.build()
        optimizer = keras.optimizers.Adam(config.outer_rates[0])
        optimizer.build(model.trainable_variables)
        step = compile_plain_step(model, optimizer)
        return lambda: [float(step(batches[0, i], labels[0, i])["loss"]) for i in range(num_batches)]

    return {
        "plain": plain(),
        "masked": meta_task(StampObjective),
        "unmasked": meta_task(UnmaskedObjective),
    }


def take_turns(
    variants: Mapping[str, Callable[[], Any]], *, alternations: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Return the seconds of every run, by variant.

    Args:
        variants: What to run.
        alternations: Rounds; each variant runs once in a round, in turning order.
        warm_up: Runs of each beforehand; the first one traces.
    """
    for run in variants.values():
        for _ in range(warm_up):
            run()
    names = list(variants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(alternations):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            variants[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def main(arguments: Sequence[str]) -> None:
    """Measure one backbone at one width."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--ways", type=int, default=10)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--alternations", type=int, default=12)
    parser.add_argument("--without-unmasked", action="store_true", help="leave the task without masks out")
    parser.add_argument("--results", type=Path, default=RESULTS / "meta_step.jsonl")
    options = parser.parse_args(arguments)
    results = Results(options.results, program="meta_step", arguments=arguments)
    names = ("backbone", "width", "ways", "image_size", "batch_size", "batches", "alternations")
    case = {name: getattr(options, name) for name in names}
    if results.figures(case) is not None:
        print(f"already measured: {case}")
        return
    variants = variants_of(
        options.backbone,
        options.width,
        ways=options.ways,
        image_size=options.image_size,
        batch_size=options.batch_size,
        num_batches=options.batches,
    )
    if options.without_unmasked:
        del variants["unmasked"]
    seconds = take_turns(variants, alternations=options.alternations)
    num_images = options.batch_size * options.batches
    figures: dict[str, Any] = {"seconds": seconds}
    for name, values in seconds.items():
        figures[f"images_per_second_{name}"] = num_images / median(values)
        # Within a round both met the same machine.
        rounds = zip(seconds["plain"], values, strict=True)
        figures[f"ratio_{name}"] = median(plain / other for plain, other in rounds)
    results.add(case, figures, seed=SEED)
    print(case, {name: value for name, value in figures.items() if name != "seconds"})


if __name__ == "__main__":
    main(sys.argv[1:])
