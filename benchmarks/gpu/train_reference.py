"""Train one reference at budgets on JAX, whole epochs on the device, within a given time.

    KERAS_BACKEND=jax python benchmarks/gpu/train_reference.py --backbone vgg19 --width 1.0 \
        --data /tmp/data/cifar100.npz --seconds 430 --out "$OUT"

First it compiles and times one plain epoch and one at budgets; from that follows how many of each fit. Every minute,
and at the end, the reference lies in pieces of at most 16 MiB, its figures in `figures.jsonl`. `--from` trains on from
pieces, at budgets alone. `assemble.py` makes a reference of the pieces.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from on_device import DeviceSet, State, Trainer, compiled, cosine_rates
from pieces import load_pieces, save_pieces

from stamp_tf.channels import Budget, TracedNetwork
from stamp_tf.data import ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.layer_arrays import assign_arrays
from stamp_tf.references.reference import Reference
from stamp_tf.training.budget_stage import BudgetStage
from stamp_tf.training.reference_steps import make_weight_optimizer

BUDGETS = (1.0, 0.5, 0.25, 0.1, 0.05)
_SAVE_EVERY = 60.0


def main(arguments: Sequence[str]) -> None:
    """Train, and write pieces and figures."""
    options = parse(arguments)
    keras.utils.set_random_seed(options.seed)
    keras.config.set_dtype_policy(options.policy)
    started = time.perf_counter()
    with np.load(options.data, allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    num_classes = int(arrays["y_train"].max()) + 1
    # The last images of the file are kept back for choices, so that no choice is made on test images.
    held = options.hold_out
    parts = {
        "train": (arrays["x_train"][: len(arrays["x_train"]) - held], arrays["y_train"]),
        "held": (arrays["x_train"][len(arrays["x_train"]) - held :], arrays["y_train"][-held:]),
        "test": (arrays["x_test"], arrays["y_test"]),
    }
    names = tuple(str(index) for index in range(num_classes))
    sets = {
        name: ImageSet(x, y[: len(x)].astype("int32").reshape(-1), num_classes, class_names=names)
        for name, (x, y) in parts.items()
        if len(x)
    }
    normalization = Normalization.of(sets["train"])
    device = {name: DeviceSet.of(part, normalization, flip=True) for name, part in sets.items()}
    backbone = BackboneConfig(
        name=options.backbone,
        input_shape=sets["train"].image_shape,
        num_classes=num_classes,
        options={"width": options.width},
    )
    reference = Reference(
        backbone=backbone, network=TracedNetwork.of(backbone.build()), normalization=normalization
    )
    before: dict[str, Any] = {}
    if options.source is not None:
        found, before = load_pieces(options.source)
        assign_arrays("model", reference.model, found, path=options.source)
        reference = replace(reference, scores=found.get("scores"))
    optimizer = make_weight_optimizer(weight_decay=options.weight_decay)
    optimizer.build(reference.model.trainable_variables)
    stage = BudgetStage(reference, optimizer, budgets=tuple(options.budgets), seed=options.seed)
    trainer = Trainer(
        reference.model,
        stage.cut,
        device["train"],
        optimizer=optimizer,
        score_optimizer=stage.score_optimizer,
        batch_size=options.batch_size,
        budgets=tuple(options.budgets),
    )
    run = Run(options, reference, stage, trainer, device, started, before)
    run.train()


class Run:
    """One training from its first state to its last figures."""

    def __init__(
        self,
        options: argparse.Namespace,
        reference: Reference,
        stage: BudgetStage,
        trainer: Trainer,
        device: dict[str, DeviceSet],
        started: float,
        before: dict[str, Any],
    ) -> None:
        self.options, self.reference, self.stage, self.trainer = options, reference, stage, trainer
        self.device, self.started, self.before = device, started, before
        self.key = jax.random.key(options.seed)
        self.saved = time.perf_counter()
        options.out.mkdir(parents=True, exist_ok=True)

    def train(self) -> None:
        """Train the full network, then at budgets."""
        trainer, options = self.trainer, self.options
        rates = jnp.zeros(trainer.num_steps)
        # Thrown away: what is timed must not train.
        state = trainer.first_state(np.zeros(trainer.cut.num_channels))
        plain, plain_compile = compiled(trainer.plain_epoch(), state, self.key, rates)
        budget, budget_compile = compiled(trainer.budget_epoch(), state, self.key, rates)
        measure, _ = compiled(
            trainer.accuracy(self.device["test"]), state, jnp.ones(trainer.cut.num_channels)
        )
        self.measure = measure
        state, plain_seconds = _timed(plain, state, self.key, rates)
        _, budget_seconds = _timed(budget, state, self.key, rates)
        num_plain, num_budget = self._epochs(plain_seconds, budget_seconds)
        images = trainer.num_steps * trainer.batch_size
        self._write(
            {
                "device": jax.devices()[0].device_kind,
                "compile_seconds": {"plain": plain_compile, "budget": budget_compile},
                "epoch_seconds": {"plain": plain_seconds, "budget": budget_seconds},
                "images_per_second": {"plain": images / plain_seconds, "budget": images / budget_seconds},
                "epochs": {"plain": num_plain, "budget": num_budget},
            }
        )
        state = trainer.first_state(np.zeros(trainer.cut.num_channels))
        if num_plain:
            state = self._stage("plain", plain, state, num_plain, options.learning_rate)
            trainer.assign(state)
        before = self.reference if self.reference.scores is not None else None
        self.stage.start(before)
        if num_budget:
            state = trainer.first_state(np.asarray(self.stage.scores.value))
            state = self._stage("budgets", budget, state, num_budget, options.budget_learning_rate)
        self._finish(state)

    def _epochs(self, plain_seconds: float, budget_seconds: float) -> tuple[int, int]:
        """Return how many epochs of either kind were asked for, or fit into the time that is left."""
        options = self.options
        num_plain = 0 if options.source is not None else options.epochs
        num_budget = options.budget_epochs
        left = options.seconds - (time.perf_counter() - self.started) - options.reserve
        if num_plain is None:
            num_plain = max(1, int(options.plain_share * left / plain_seconds))
        if num_budget is None:
            num_budget = max(1, int((left - num_plain * plain_seconds) / budget_seconds))
        return num_plain, num_budget

    def _stage(self, name: str, epoch: Any, state: State, num_epochs: int, peak: float) -> State:
        """Run the epochs of one stage under one cosine."""
        num_steps = self.trainer.num_steps
        rates = cosine_rates(
            peak, num_epochs * num_steps, warmup=min(num_steps, num_epochs * num_steps // 10)
        )
        for index in range(num_epochs):
            self.key, key = jax.random.split(self.key)
            began = time.perf_counter()
            state, figures = epoch(
                state, key, jnp.asarray(rates[index * num_steps : (index + 1) * num_steps])
            )
            values = {label: float(value) for label, value in figures.items()}
            record = {"stage": name, "epoch": index + 1, "of": num_epochs, **values}
            self._write({**record, "seconds": time.perf_counter() - began})
            if not np.isfinite(values["loss"]):
                raise SystemExit(f"The loss of epoch {index + 1} ({name}) is not finite; lower its rate.")
            if time.perf_counter() - self.saved > self.options.save_every:
                self._save(state, {"stage": name, "epoch": index + 1})
        return state

    def _finish(self, state: State) -> None:
        """Take its scores, measure it at every budget, and write the last pieces."""
        self.trainer.assign(state)
        self.stage.scores.assign(state.scores)
        scores = self.stage.centered_scores()
        masks = {1.0: np.ones(len(scores), "float32")}
        for max_flops in BUDGETS[1:]:
            try:
                masks[max_flops] = self.reference.cut.meet(scores, Budget(max_flops=max_flops)).values
            except StampError:  # so narrow that one channel a layer costs more
                continue
        figures = {
            f"{budget:g}": float(self.measure(state, jnp.asarray(mask))) for budget, mask in masks.items()
        }
        seconds = time.perf_counter() - self.started
        self._write({"stage": "final", "test_accuracy": figures, "seconds": seconds})
        self._save(state, {"stage": "final", "test_accuracy": figures, "seconds": seconds}, scores=scores)

    def _save(self, state: State, where: dict[str, Any], *, scores: np.ndarray | None = None) -> None:
        """Write the reference as it is now."""
        self.trainer.assign(state)
        arrays = self.reference.arrays()
        arrays["scores"] = np.asarray(state.scores if scores is None else scores)
        options = {name: _plain(value) for name, value in vars(self.options).items()}
        metadata = {
            "backbone": self.reference.backbone.to_config(),
            "normalization": self.reference.normalization.to_config(),
            "options": options,
            "before": self.before,
            "device": jax.devices()[0].device_kind,
            **where,
        }
        save_pieces(self.options.out, arrays, metadata)
        self.saved = time.perf_counter()

    def _write(self, record: dict[str, Any]) -> None:
        line = (
            json.dumps(record, allow_nan=False, default=float)
            if _is_finite(record)
            else json.dumps(str(record))
        )
        with open(self.options.out / "figures.jsonl", "a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def _timed(epoch: Any, state: State, key: Any, rates: Any) -> tuple[State, float]:
    """Run a compiled epoch and return what it gave and its seconds."""
    began = time.perf_counter()
    state, figures = epoch(state, key, rates)
    jax.block_until_ready((state, figures))
    return state, time.perf_counter() - began


def _is_finite(record: dict[str, Any]) -> bool:
    return all(np.isfinite(value) for value in record.values() if isinstance(value, float))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--data", type=Path, required=True, help="npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path, help="pieces to train on, at budgets alone")
    parser.add_argument("--seconds", type=float, default=430, help="of the whole program")
    parser.add_argument("--reserve", type=float, default=15, help="seconds kept for the last figures")
    parser.add_argument("--epochs", type=int, help="plain epochs  [default: what fits]")
    parser.add_argument("--budget-epochs", type=int, help="epochs at budgets  [default: what fits]")
    parser.add_argument("--plain-share", type=float, default=0.3, help="of the time, for plain epochs")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--budget-learning-rate", type=float, default=0.05)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--budgets", type=float, nargs=2, default=(0.04, 1.0))
    parser.add_argument("--policy", default="mixed_bfloat16")
    parser.add_argument("--hold-out", type=int, default=0, help="training images kept back for choices")
    parser.add_argument("--save-every", type=float, default=_SAVE_EVERY, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
