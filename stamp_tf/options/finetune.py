"""Options of fine-tuning."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stamp_tf.errors import StampError
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.options.fields import check_fields
from stamp_tf.options.forms import PART, SHARE
from stamp_tf.options.option import option
from stamp_tf.seeds import LARGEST_SEED

logger = logging.getLogger(__name__)

_EPOCHS = 20
_DONE_AT_LOSS = 0.02
_RATE = 0.2
_CAREFUL_RATE = 0.05
_FEW_STEPS = 30
_OWN_CLIP_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Options of fine-tuning."""

    epochs: int | None = option(
        None,
        least=0,
        usual=_EPOCHS,
        help="Passes over the training images; 0 trains nothing.",
        default_in_words="20, or fewer once little is left to learn",
    )
    batch_size: int = option(128, least=1, help="Images per step.")
    learning_rate: float | None = option(
        None,
        above=0,
        usual=_RATE,
        help="Peak of the rate.",
        default_in_words="0.2; 0.05 with `model`, and for fewer than 30 steps",
    )
    schedule: Literal["cosine", "step"] = option(
        "cosine", help="How the rate falls: to zero, or to a tenth at 50% and again at 80%."
    )
    done_at_loss: float | None = option(
        None,
        least=0,
        usual=_DONE_AT_LOSS,
        help="Once the mean loss of an epoch is below, the rate falls to zero over two last epochs.",
        default_in_words="0.02 if `epochs` is left out, else 0: never",
    )
    momentum: float = option(
        0.9, least=0, below=1, help="Momentum of SGD, after Nesterov.", is_only_python=True
    )
    weight_decay: float = option(5e-4, least=0, help="Weight decay on kernels.", is_only_python=True)
    clip_norm: float | None = option(
        None,
        above=0,
        usual=_OWN_CLIP_NORM,
        # Networks without batch normalisation behind every kernel diverge without it.
        help="Largest norm of the gradients.",
        default_in_words="1 with `model`, else none",
    )
    distill: float = option(
        0.0,
        least=0,
        most=1,
        form=PART,
        help="Share of the loss that is the divergence from the full network's outputs; the rest is that on labels. "
        "It pays where the network's own head is kept.",
    )
    distill_temperature: float = option(4.0, above=0, help="Temperature at which `distill` compares outputs.")
    batch_norm: Literal["batch", "frozen"] = option(
        "batch",
        help="Let batch normalisation go by each batch's statistics, or by its moving ones, which then stay.",
    )
    val_split: float | None = option(
        None,
        least=0,
        below=1,
        usual=0.2,
        form=SHARE,
        help="Hold out this share of every class of the training images, such as 20% or 0.2, and measure accuracy "
        "after epochs on them, or on the set's own part for it; test images are then looked at once, at the end. 0 "
        "holds out none.",
    )
    keep_epoch: Literal["best", "last"] | None = option(
        None,
        help="Whose weights are kept; the best is that of `val_split`.",
        default_in_words="best with `val_split`, else last",
    )
    patience: int | None = option(
        None,
        least=1,
        usual=5,
        help="End after so many epochs without a better one on the images of `val_split`.",
    )
    class_weights: Literal["balanced", "none"] = option(
        "none", help="Let every class have as much to say in the loss, or every image."
    )
    augment: Literal["standard", "rand", "none"] | bool = option(
        "standard",
        typed=Literal["standard", "rand", "none"],
        help="Change training images at random: crop and mirror, or besides a rotation, a shear or another tone as "
        "RandAugment has them, or nothing. True is `standard`, False `none`.",
    )
    flip: bool = option(True, help="Mirror images in training; not for digits and signs.")
    mixed_precision: bool = option(False, help="Fine-tune in bfloat16.")
    evaluate: bool | Sequence[int] = option(
        True,
        help="Measure test accuracy before the first epoch and after every one, or only after these.",
        is_only_python=True,
    )
    seed: int = option(0, least=0, most=LARGEST_SEED, help="Of order and augmentation.")

    def __post_init__(self) -> None:
        check_fields(self)
        found = "is not given" if self.val_split is None else "is 0 and holds out no image"
        if self.val_split == 0:
            object.__setattr__(self, "val_split", None)
        if isinstance(self.augment, bool):
            object.__setattr__(self, "augment", "standard" if self.augment else "none")
        for name, value in (("patience", self.patience), ("keep_epoch", self.keep_epoch == "best")):
            if value and self.val_split is None:
                said = f"`{name}={'best' if name == 'keep_epoch' else value}`"
                raise StampError(
                    f"{said} needs images to judge epochs by, but `val_split` {found}; give `val_split=0.2`, or "
                    f"leave {said} out."
                )

    @property
    def num_epochs(self) -> int:
        """Passes over the training images, at most."""
        return _EPOCHS if self.epochs is None else self.epochs

    @property
    def peak_rate(self) -> float:
        """The rate that training starts with."""
        return _RATE if self.learning_rate is None else self.learning_rate

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best epoch are kept."""
        return self.val_split is not None and self.keep_epoch != "last"

    @property
    def distill_in_words(self) -> str | None:
        """What is distilled and how, for reports; None where nothing is."""
        if not self.distill:
            return None
        return f"{self.distill:g} of the loss, temperature {self.distill_temperature:g}"

    def resolved(self, *, own_model: bool, num_steps: int) -> FinetuneConfig:
        """Return the options with what was left open filled in.

        Who asks for a number of epochs gets as many; the usual ones end where little is left to learn.

        Args:
            num_steps: Of the training; the usual rate is too high for very few.
            own_model: Whether a user's own network is trained. What it needs is not known, and pretrained weights
                bear less than those of a reference.
        """
        is_short = 0 < num_steps < _FEW_STEPS
        rate = _CAREFUL_RATE if own_model or is_short else _RATE
        if is_short and not own_model and self.learning_rate is None:
            logger.info(
                "%s",
                in_words_of_the_caller(
                    f"Fine-tuning has {num_steps} step{'s' if num_steps > 1 else ''} only, and so its rate starts at "
                    f"{rate:g} instead of {_RATE:g}; take another with `learning_rate`."
                ),
            )
        clip_norm = _OWN_CLIP_NORM if own_model and self.clip_norm is None else self.clip_norm
        usual_loss = _DONE_AT_LOSS if self.epochs is None else 0.0
        return replace(
            self,
            epochs=self.num_epochs,
            done_at_loss=usual_loss if self.done_at_loss is None else self.done_at_loss,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            clip_norm=clip_norm,
        )
