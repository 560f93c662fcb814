"""A network whose outputs another one learns from."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from stamp_tf.backbones.end import split_end
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.losses import teacher_divergence
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.tensor import Tensor


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A network that has a share of another one's loss, and stays as it is.

    Args:
        model: From normalised images to logits.
        share: Of the loss, in (0, 1].
        temperature: At which outputs are compared.
    """

    model: keras.Model
    share: float
    temperature: float

    def mixed(self, loss: Tensor, logits: Tensor, images: Tensor, *, end: End = LOGITS) -> Tensor:
        """Return (1 - share) times a loss and share times the divergence from the teacher.

        Args:
            loss: On the labels, a scalar.
            logits: Of the student, `[B, classes]`.
            images: What they belong to, `[B, H, W, D]`.
            end: What stands behind both networks' logits.

        Source:
            Hinton, Vinyals & Dean 2015.
        """
        values = [weight.value for weight in self.model.trainable_variables]
        others = [weight.value for weight in self.model.non_trainable_variables]
        # In inference mode: moving statistics as they are, no dropout; and whatever state there is stays.
        answers, _ = self.model.stateless_call(values, others, images, training=False)
        divergence = teacher_divergence(logits, answers, temperature=self.temperature, end=end)
        return (1 - self.share) * loss + self.share * divergence


def logits_of_teacher(
    teacher: keras.Model | None, model: keras.Model, *, config: FinetuneConfig, end: End | None
) -> keras.Model | None:
    """Return the network of logits that a model is to learn from; None where the options ask for none.

    Args:
        teacher: What was given.
        model: What is trained.
        config: Says whether a teacher is needed.
        end: What was taken off both; None looks how the teacher ends.

    Raises:
        StampError: If a teacher is missing, has nothing to say, or answers otherwise than the model.
    """
    if not config.distill:
        if teacher is not None:
            raise StampError("`teacher` needs `distill`, its share of the loss, but that is 0; raise it.")
        return None
    if teacher is None:
        raise StampError(
            f"`distill={config.distill:g}` needs a network to learn from, but got none; give it as `teacher`."
        )
    if not _answers_alike(teacher, model):
        raise StampError(
            f"`teacher` must answer as the network does, {_answers(model)}, but {teacher.name} answers "
            f"{_answers(teacher)}; give another network."
        )
    if end is not None:
        return teacher
    logits, its_end = split_end(teacher)
    own_end = split_end(model)[1]
    if its_end.is_per_class != own_end.is_per_class:
        raise StampError(
            f"`teacher` must end as the network does, in {own_end.activation}, but {teacher.name} ends in "
            f"{its_end.activation}; give another network."
        )
    return logits


def _answers_alike(one: keras.Model, other: keras.Model) -> bool:
    return (one.input_shape, one.output_shape) == (other.input_shape, other.output_shape)


def _answers(model: keras.Model) -> str:
    return f"{model.input_shape} with {model.output_shape}"
