"""Accuracy of pruned networks on a target after long fine-tuning on JAX: full, random, L1, STAMP, STAMP-Structure.

    KERAS_BACKEND=jax python benchmarks/gpu/target_rows.py --pieces "$OUT/vgg19" --data /tmp/data/cifar10.npz \
        --epochs 30 --seconds 400 --out "$OUT"

A pruned network is trained with its mask on, which gives what the sliced one would give and lets all rows share one
compiled epoch; parameters and FLOPs are those of the sliced one, seconds are not, and none are reported. Rows are JSON
lines in `rows.jsonl`; those that stand there already are not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
from on_device import DeviceSet, Trainer, compiled, cosine_rates
from pieces import load_pieces

from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.channels import Budget, ChannelCut, CostModel
from stamp_tf.data import ImageSet, Normalization
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import reference_from
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.training.reference_steps import make_weight_optimizer

METHODS = ("full", "random", "l1", "stamp", "stamp-structure")


def main(arguments: Sequence[str]) -> None:
    """Run the rows that are missing, while there is time."""
    options = parse(arguments)
    started = time.perf_counter()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(options.policy)
    arrays, metadata = load_pieces(options.pieces)
    content = {**metadata, "set_encoder": None, "mask_generator": None, "description": {}}
    reference = reference_from(arrays, content, path=options.pieces)
    train, test = read(options.data, options.images)
    normalization = Normalization.of(train)
    flip = not options.no_flip
    device = DeviceSet.of(train, normalization, flip=flip)
    model = reference.backbone.build(num_classes=train.num_classes)
    cost = CostModel(model, reference.channel_map)
    cut = reference.cut
    optimizer = make_weight_optimizer(weight_decay=5e-4)
    optimizer.build(model.trainable_variables)
    scores_like = keras.Variable(np.zeros(cut.num_channels), dtype="float32", name="mask")
    score_optimizer = keras.optimizers.SGD(0.0)
    score_optimizer.build([scores_like])
    trainer = Trainer(
        model,
        cut,
        device,
        optimizer=optimizer,
        score_optimizer=score_optimizer,
        batch_size=min(options.batch_size, len(train)),
        budgets=(1.0, 1.0),
    )
    rates = cosine_rates(options.learning_rate, options.epochs * trainer.num_steps, warmup=trainer.num_steps)
    state = trainer.first_state(np.ones(cut.num_channels))
    epoch, _ = compiled(
        trainer.plain_epoch(masked=True), state, jax.random.key(0), jnp.asarray(rates[: trainer.num_steps])
    )
    tested = DeviceSet.of(test, normalization, flip=False)
    measure, _ = compiled(trainer.accuracy(tested), state, jnp.ones(cut.num_channels))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    longest = 0.0
    for case, mask in cases(options, reference, cost):
        began = time.perf_counter()
        if any(case.items() <= row.items() for row in rows):
            continue
        if began - started + longest > options.seconds:
            print("no time for more rows")
            return
        fresh = reference.backbone.build(num_classes=train.num_classes)
        transfer_weights(fresh, model)
        if case["method"] != "stamp-structure":
            transfer_weights(reference.model, model)
        state = trainer.first_state(mask)
        before = float(measure(state, jnp.asarray(mask)))
        key = jax.random.key(case["seed"])
        for index in range(options.epochs):
            key, now = jax.random.split(key)
            part = rates[index * trainer.num_steps : (index + 1) * trainer.num_steps]
            state, figures = epoch(state, now, jnp.asarray(part))
        loss = float(figures["loss"])
        accuracy = float(measure(state, jnp.asarray(mask)))
        longest = max(longest, time.perf_counter() - began)
        params, flops = (float(value) for value in cost.exact_fractions(mask))
        row = case | {"params": params, "flops": flops, "before": before, "test_accuracy": accuracy}
        row |= {"train_loss": loss if np.isfinite(loss) else None, "device": jax.devices()[0].device_kind}
        row["seconds"] = time.perf_counter() - began
        with open(path, "a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def cases(
    options: argparse.Namespace, reference: Reference, cost: CostModel
) -> Iterator[tuple[dict[str, object], np.ndarray]]:
    """Yield the description of each row and its 0/1 mask."""
    channel_map, num_channels = reference.channel_map, reference.channel_map.num_channels
    norms = l1_norms(reference.model, channel_map)
    for seed in options.seeds:
        for method in options.methods:
            for max_flops in (1.0,) if method == "full" else options.budgets:
                if method == "full":
                    mask = np.ones(num_channels, "float32")
                else:
                    random = np.random.default_rng((seed, 5)).uniform(size=num_channels)
                    scores = {
                        "random": uniform_scores(channel_map, random),
                        "l1": uniform_scores(channel_map, norms),
                    }.get(method, reference.scores)
                    mask = ChannelCut(channel_map, cost).meet(scores, Budget(max_flops=max_flops))
                case = {
                    "method": method,
                    "max_flops": max_flops,
                    "seed": seed,
                    "epochs": options.epochs,
                    "images": options.images,
                    "data": options.data.stem,
                    "reference": reference.backbone.name,
                    "learning_rate": options.learning_rate,
                }
                yield case, np.asarray(mask, "float32")


def read(path: Path, num_images: int | None) -> tuple[ImageSet, ImageSet]:
    """Return training and test images; the first so many of the former, which lie shuffled in the file."""
    with np.load(path, allow_pickle=False) as file:
        values = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    names = tuple(str(index) for index in range(int(values["y_train"].max()) + 1))
    train, test = (
        ImageSet(
            values[f"x_{part}"],
            values[f"y_{part}"].astype("int32").reshape(-1),
            len(names),
            class_names=names,
        )
        for part in ("train", "test")
    )
    return (train if num_images is None else train.take(np.arange(num_images))), test


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pieces", type=Path, required=True, help="folder of a trained reference")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--budgets", type=float, nargs="+", default=(0.25, 0.1))
    parser.add_argument("--seeds", type=int, nargs="+", default=(0,))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--images", type=int, help="training images  [default: all]")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--no-flip", action="store_true", help="do not mirror: digits and signs")
    parser.add_argument("--seconds", type=float, default=400, help="start no row that would end later")
    parser.add_argument("--policy", default="mixed_bfloat16")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
