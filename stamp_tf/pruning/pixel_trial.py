"""Try on the target's images which scale of pixels a network was trained on."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from stamp_tf.channels.refusals import refusal_of
from stamp_tf.data import DataSet, ImageSet, Normalization, random_part
from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.references.pixels.choice import PIXELS, STANDARDIZED, PixelChoice, pixel_normalization
from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)

MOST_IMAGES = 500
FEWEST_IMAGES = 100
MOST_MULTIPLY_ADDS = 2.5e11
"""Of all trials together, with which they take seconds."""
_BATCH = 50
_FAR = 0.1
_DEVIATIONS = 4.0


@dataclass(frozen=True)
class PixelTrial:
    """How well a network tells images apart at each scale of pixels.

    Args:
        shares: Share of the images that it is right on, by scale.
        images: How many were tried.
        is_matched: Whether its classes had to be matched to those of the images first.
    """

    shares: dict[str, float]
    images: int
    is_matched: bool

    @property
    def best(self) -> str:
        """The scale with the highest share."""
        return max(self.shares, key=lambda pixels: self.shares[pixels])

    def beyond_doubt(self, pixels: str) -> bool:
        """Return whether the best scale is far above another one, and above what chance makes of so few images."""
        high, low = self.shares[self.best], self.shares[pixels]
        # With one image more on either side, so that a few that all agree do not count as certainty.
        shares = [(share * self.images + 1) / (self.images + 2) for share in (high, low)]
        spread = math.sqrt(sum(share * (1 - share) for share in shares) / self.images)
        return high - low > max(_FAR, _DEVIATIONS * spread)

    def in_words(self, pixels: str) -> str:
        """Return the figures of a scale and, where it is another, of the best one."""
        matched = " once its classes are matched to those of the images" if self.is_matched else ""
        if self.shares[pixels] == self.shares[self.best]:
            return f"at it the network is right on {self.shares[pixels]:.0%} of {self.images} training images{matched}"
        return (
            f"at {self.best} the network is right on {self.shares[self.best]:.0%} of {self.images} training images"
            f"{matched}, at {pixels} on {self.shares[pixels]:.0%}"
        )


def settle_pixels(reference: Reference, dataset: DataSet, *, seed: int = 0) -> Reference:
    """Look whether another scale of pixels suits a model of somebody's own far better than the one it goes by.

    A scale that was assumed gives way to one that is better beyond doubt; of one that a user named, the log says so.
    Nothing is tried where the network itself scales its pixels, or for a reference of ours.

    Args:
        reference: Of any kind.
        dataset: The target; only its training images are used.
        seed: Decides which of them.

    Returns:
        The reference, with another scale if that was decided; once is enough, and its pixels say so.
    """
    chosen = reference.pixels
    if chosen is None or chosen.origin not in ("assumed", "option") or chosen.tried is not None:
        return reference
    trial = try_pixels(reference, dataset, seed=seed)
    tried = replace(reference, pixels=replace(chosen, tried=trial.shares))
    words, best = trial.in_words(chosen.scale), trial.best
    if not trial.beyond_doubt(chosen.scale):
        logger.info("Pixels: %s stays; %s.", chosen.scale, words)
        return tried
    if chosen.origin == "option":
        remedy = f"add `pixels='{best}'` if the network was trained on it"
        logger.warning("%s", in_words_of_the_caller(f"Pixels: {words}; {remedy}."))
        return tried
    remedy = "name `pixels` to decide"
    logger.warning("%s", in_words_of_the_caller(f"Pixels: {best}, because {words}; {remedy}."))
    return reference.with_pixels(PixelChoice(scale=best, origin="measured", reason=words, tried=trial.shares))


def try_pixels(reference: Reference, dataset: DataSet, *, seed: int = 0) -> PixelTrial:
    """Return how well a network tells training images apart at each scale of pixels.

    Its classes may be others than those of the images, or in another order: where matching each to the class that it
    goes with best makes much of a difference, that is what counts.

    Args:
        reference: Of a model of somebody's own.
        dataset: The target.
        seed: Decides which images are tried.
    """
    scales = {}
    for pixels in (*PIXELS, STANDARDIZED):
        try:
            scales[pixels] = _normalization(pixels, reference, dataset)
        except StampError:  # of another depth
            continue
    affordable = MOST_MULTIPLY_ADDS / len(scales) / max(1.0, float(reference.cost_model.full[1]))
    number = int(min(MOST_IMAGES, max(FEWEST_IMAGES, affordable)))
    images = random_part(dataset.train, number, seed=seed)
    logger.info(
        "Pixels: comparing that scale with %d others on %d training images.", len(scales) - 1, len(images)
    )
    answers = {}
    for pixels, scale in scales.items():
        try:
            answers[pixels] = answers_of(reference, images, scale)
        except StampError:
            # Numbers that are looked up in a table may be there at one scale alone.
            if reference.pixels is not None and pixels == reference.pixels.scale:
                raise
    plain = {pixels: float(np.mean(answer == images.labels)) for pixels, answer in answers.items()}
    matched = {
        pixels: best_matching(answer, images.labels, num_classes=dataset.num_classes)[0]
        for pixels, answer in answers.items()
    }
    has_own_order = max(plain.values()) >= 0.8 * max(matched.values())
    return PixelTrial(plain if has_own_order else matched, len(images), not has_own_order)


def _normalization(pixels: str, reference: Reference, dataset: DataSet) -> Normalization:
    if pixels == STANDARDIZED:
        return Normalization.of(dataset.train)
    return pixel_normalization(pixels, reference.backbone.input_shape[2])


def answers_of(reference: Reference, images: ImageSet, normalization: Normalization) -> np.ndarray:
    """Return the class that the network finds likeliest, int `[N]`.

    Args:
        reference: The network.
        images: Of its size.
        normalization: What brings them to its scale.

    Raises:
        StampError: If the network does not run on them.
    """
    try:
        rows = [
            np.asarray(reference.model.predict_on_batch(normalization(images.images[start : start + _BATCH])))
            for start in range(0, len(images), _BATCH)
        ]
    except Exception as error:
        if (reason := refusal_of(error)) is None:
            raise
        raise StampError(
            f"`own:model` must run on the images of the data set, but gave '{reason}'; name the `pixels` that it was "
            "trained on, or other images."
        ) from error
    logits = np.nan_to_num(np.concatenate(rows))
    return (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)


def best_matching(answers: np.ndarray, labels: np.ndarray, *, num_classes: int) -> tuple[float, np.ndarray]:
    """Let each class of the network stand for the class of the images that suits it best.

    Args:
        answers: Of the network, int `[N]`.
        labels: Of the images, int `[N]`.
        num_classes: How many there are at least, of the network as of the images.

    Returns:
        The share of right answers then, and the label that each class of the network stands for, int `[classes]`.
    """
    size = max(num_classes, int(answers.max()) + 1, int(labels.max()) + 1)
    counts = np.zeros((size, size), int)
    np.add.at(counts, (answers, labels), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(labels)), columns
