"""The epochs of fine-tuning: steps, tests after them, and a state on disk after each."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from stamp_tf.data import Batches, DataSet, Normalization
from stamp_tf.data.batches import even_batch_size
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.finite import weight_values
from stamp_tf.measure.interval import with_interval
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.on_step import OnStep
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.quantities import percent
from stamp_tf.references.layer_arrays import assign_arrays, layer_arrays
from stamp_tf.schedules import cosine_rate, step_rate
from stamp_tf.storage.checkpoints import (
    assign_optimizer,
    drop_steps,
    load_last_step,
    optimizer_arrays,
    save_step,
)
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.best_epoch import best_epoch, is_hopeless
from stamp_tf.training.class_weights import class_weights
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.forward import has_batch_norm
from stamp_tf.training.rand_augment import RandAugment
from stamp_tf.training.statistics import Recalibration, statistics_images
from stamp_tf.training.teacher import Teacher
from stamp_tf.weight_mask import WeightMask

logger = logging.getLogger(__name__)

_LAST_EPOCHS = 2
"""Those that are left once next to nothing is left to learn."""


class FinetuneEpochs:
    """Takes the epochs that are left of a training.

    Args:
        model: From normalised images to logits; trained in place.
        dataset: Its data set.
        normalization: Of the images.
        config: Options.
        end: What stands behind the logits; says which loss fits.
        teacher: From normalised images to logits, where the options distil.
        weights: Which single weights stay; None for all.
        checkpoints: Where a state an epoch is kept; None keeps none.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: DataSet,
        *,
        normalization: Normalization,
        config: FinetuneConfig,
        end: End,
        teacher: keras.Model | None,
        weights: WeightMask | None,
        checkpoints: Path | None,
    ) -> None:
        from stamp_tf.training.held_weights import hold
        from stamp_tf.training.reference_steps import compile_plain_step, make_weight_optimizer

        self.model = model
        self.dataset = dataset
        self.normalization = normalization
        self.config = config
        self.checkpoints = checkpoints
        self.records: list[EpochRecord] = []
        self._best_arrays: dict[str, np.ndarray] | None = None
        self._optimizer = make_weight_optimizer(
            momentum=config.momentum, weight_decay=config.weight_decay, clip_norm=config.clip_norm
        )
        self._optimizer.build(model.trainable_variables)
        self._batches = training_batches(dataset, config, normalization)
        taught_by = None
        if teacher is not None:
            taught_by = Teacher(model=teacher, share=config.distill, temperature=config.distill_temperature)
        self._is_frozen = config.batch_norm == "frozen"
        if self._is_frozen and not has_batch_norm(model):
            words = "`batch_norm=frozen` changes nothing: no layer of the network is a batch normalisation."
            logger.warning("%s", in_words_of_the_caller(words))
        if weights is not None:
            weights.apply_to(model)
        held = () if weights is None else hold(model, weights)
        self._step = compile_plain_step(
            model,
            self._optimizer,
            end=end,
            teacher=taught_by,
            is_frozen=self._is_frozen,
            held=held,
            class_weights=class_weights(dataset, config),
        )
        self._recalibration = Recalibration(model)
        self._watch = DivergenceWatch(
            "Fine-tuning",
            remedy=f"take a smaller `learning_rate` than {config.peak_rate:g}"
            + (", or `clip_norm=1`" if config.clip_norm is None else ""),
            state=lambda: f"The network has the weights of epoch {self.records[-1].epoch} again.",
        )

    def restore(self, *, resume: bool) -> None:
        """Go on from the newest state, or test the network as it is.

        Args:
            resume: Whether to look for a state.
        """
        place = self.checkpoints
        if place is not None and resume and (state := load_last_step(place)) is not None:
            arrays, metadata = state
            assign_arrays("model", self.model, arrays, path=place)
            assign_optimizer("optimizer", self._optimizer, arrays)
            self.records = [EpochRecord(**record) for record in metadata["records"]]
            is_last = self._best is None or self._best.epoch == self.records[-1].epoch
            self._best_arrays = {
                name.removeprefix("best/"): value
                for name, value in arrays.items()
                if name.startswith("model/" if is_last else "best/")
            }
        else:
            tested, validated = self._accuracies(0)
            self.records = [
                EpochRecord(
                    epoch=0,
                    seconds=0.0,
                    train_loss=None,
                    test_accuracy=tested,
                    validation_accuracy=validated,
                )
            ]
            self._keep_if_best()

    def train(self, on_step: OnStep | None) -> None:
        """Take the epochs that are left.

        Args:
            on_step: Called with (steps done, all steps, figures) after each step.

        Raises:
            DivergenceError: If something is no longer finite; the network then has the weights of its last whole
                epoch.
        """
        while (epoch := len(self.records) - 1) < self._end():
            with self._taken_back_on_refusal():
                record = self._take(epoch, on_step)
            self.records.append(record)
            self._keep_if_best()
            if self._learnt_at() == epoch + 1 and self._end() < self.config.num_epochs:
                logger.info("%s", in_words_of_the_caller(self._why_it_ends()))
            elif self._is_hopeless():
                logger.info(
                    "%s",
                    in_words_of_the_caller(
                        f"Fine-tuning ends after epoch {epoch + 1} of {self.config.num_epochs}: {self.config.patience} "
                        "epochs brought nothing better (`patience`)."
                    ),
                )
            if self.checkpoints is not None:
                self._save(epoch + 1)
        self._take_best()

    @property
    def _best(self) -> EpochRecord | None:
        return best_epoch(self.records) if self.config.keeps_best else None

    def _is_hopeless(self) -> bool:
        return self.config.val_split is not None and is_hopeless(self.records, self.config.patience)

    def _keep_if_best(self) -> None:
        """Remember the weights where this is the best epoch so far."""
        if self._best is self.records[-1]:
            self._best_arrays = layer_arrays("model", self.model)

    def _take_best(self) -> None:
        """Give the network the weights of its best epoch."""
        best, last = self._best, self.records[-1]
        if best is None or best is last:
            return
        assert self._best_arrays is not None
        assign_arrays("model", self.model, self._best_arrays, path=Path("the best epoch"))
        images = self.dataset.validation
        assert images is not None
        assert best.validation_accuracy is not None
        assert last.validation_accuracy is not None
        logger.info(
            "The weights of epoch %d are kept: right on %s held out of training, those of the last, %d, on %s.",
            best.epoch,
            with_interval(best.validation_accuracy, len(images)),
            last.epoch,
            percent(last.validation_accuracy),
        )

    def _learnt_at(self) -> int | None:
        """Return the epoch at which the images were learnt; its record decides, so a resumed run goes the same way."""
        losses = ((record.epoch, record.train_loss) for record in self.records)
        enough = self.config.done_at_loss or 0.0
        return next((at for at, loss in losses if loss is not None and loss < enough), None)

    def _end(self) -> int:
        """Return how many epochs are taken in all, as far as is known."""
        if self._is_hopeless():
            return self.records[-1].epoch
        learnt = self._learnt_at()
        return (
            self.config.num_epochs if learnt is None else min(self.config.num_epochs, learnt + _LAST_EPOCHS)
        )

    def _why_it_ends(self) -> str:
        return (
            f"Fine-tuning ends after epoch {self._end()} of {self.config.num_epochs}, because little is left to learn: "
            f"the mean loss was {self.records[-1].train_loss:.3g}, below {self.config.done_at_loss:g} (`done_at_loss`)."
        )

    def _take(self, epoch: int, on_step: OnStep | None) -> EpochRecord:
        """Take one epoch, and test after it where that is asked for."""
        started, losses = time.perf_counter(), []
        num_steps = self._end() * len(self._batches)
        for index, (images, labels) in enumerate(self._batches.epoch(epoch)):
            step = epoch * len(self._batches) + index
            self._optimizer.learning_rate = rate = self._rate(step)
            figures = self._step(images, labels)
            losses.append(figures["loss"])
            place = StepPlace(
                step=step + 1, num_steps=num_steps, rates={"learning rate": rate}, epoch=epoch + 1
            )
            self._watch.see(place, figures)
            if on_step is not None:
                on_step(step + 1, num_steps, StepFigures(figures, images=len(images)))
        mean_loss = float(sum(float(loss) for loss in losses) / len(losses))
        self._watch.check(weight_values(self.model))
        is_last = epoch + 1 == self._end()
        with self._watch.blaming("statistics of batch normalisation or logits"):
            if is_last:
                self._recalibrate()
            seconds = self.records[-1].seconds + time.perf_counter() - started
            if self._is_tested(epoch + 1) and not is_last:
                self._recalibrate()
            tested, validated = self._accuracies(epoch + 1)
            return EpochRecord(
                epoch=epoch + 1,
                seconds=seconds,
                train_loss=mean_loss,
                test_accuracy=tested,
                validation_accuracy=validated,
            )

    def _recalibrate(self) -> None:
        if self._is_frozen:
            return
        self._recalibration(statistics_images(self.dataset.train, self.normalization, seed=self.config.seed))

    def _is_tested(self, epoch: int) -> bool:
        wanted = self.config.evaluate
        return wanted if isinstance(wanted, bool) else epoch in wanted

    def _accuracies(self, epoch: int) -> tuple[float | None, float | None]:
        """Return the accuracy on the test images, and that on images held out of training where there are some."""
        if not self._is_tested(epoch):
            return None, None
        held_out = self.dataset.validation if self.config.val_split is not None else None
        images = self.dataset.test if held_out is None else held_out
        found = evaluate_accuracy(self.model, images, normalization=self.normalization)
        return (found, None) if held_out is None else (None, found)

    @contextmanager
    def _taken_back_on_refusal(self) -> Iterator[None]:
        """Give the network its values from before the block where that refuses to go on."""
        before = [keras.ops.copy(variable.value) for variable in self.model.variables]
        try:
            yield
        except StampError:
            for variable, value in zip(self.model.variables, before, strict=True):
                variable.assign(value)
            raise

    def _save(self, num_done: int) -> None:
        assert self.checkpoints is not None
        if num_done == 1:
            drop_steps(self.checkpoints)
        save_step(
            self.checkpoints,
            num_done,
            arrays=layer_arrays("model", self.model)
            | optimizer_arrays("optimizer", self._optimizer)
            | self._best_beside(),
            metadata={"records": [vars(record) for record in self.records]},
        )

    def _best_beside(self) -> dict[str, np.ndarray]:
        """Return the weights of the best epoch where it is not the last, whose weights a state holds anyway."""
        if self._best is None or self._best is self.records[-1] or self._best_arrays is None:
            return {}
        return {f"best/{name}": value for name, value in self._best_arrays.items()}

    def _rate(self, step: int) -> float:
        """Return the rate of the schedule, which falls to zero from where the images were learnt."""
        per_epoch, learnt = len(self._batches), self._learnt_at()
        schedule = step_rate if self.config.schedule == "step" else cosine_rate
        first = step if learnt is None else min(step, learnt * per_epoch)
        rate = schedule(first, self.config.num_epochs * per_epoch, peak=self.config.peak_rate)
        return cosine_rate(step - first, _LAST_EPOCHS * per_epoch, peak=rate)


def training_batches(dataset: DataSet, config: FinetuneConfig, normalization: Normalization) -> Batches:
    """Return the training images, changed at random as the options say.

    Args:
        dataset: Whose.
        config: Options; batch size, augmentation and seed are among them.
        normalization: Of the images.
    """
    return Batches(
        dataset.train,
        even_batch_size(len(dataset.train), config.batch_size),
        normalization=normalization,
        seed=config.seed,
        augment=config.augment != "none",
        further=RandAugment(dataset.image_shape) if config.augment == "rand" else None,
        flip=config.flip and dataset.flips,
    )
