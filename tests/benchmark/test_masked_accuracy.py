"""Judging a mask without slicing gives what slicing gives."""

import numpy as np

from library.masked_accuracy import MaskedAccuracy
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import slice_model
from stamp_tf.data import Normalization, load_dataset
from stamp_tf.references.reference_file import load_reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.fit_head import fit_head
from stamp_tf.training.statistics import recalibrate_statistics


def test_a_masked_network_is_as_accurate_as_the_sliced_one(toy_reference, toy_images):
    reference, dataset = load_reference(toy_reference), load_dataset(toy_images)
    normalization = Normalization.of(dataset.train)
    evaluate = MaskedAccuracy(reference)
    for seed in range(3):
        kept = np.random.default_rng(seed).random(16) < 0.5
        kept[[0, 8]] = True
        mask = ChannelMask(kept)
        model = reference.backbone.build(num_classes=3)
        transfer_weights(reference.model, model)
        small = slice_model(model, reference.channel_map, mask)
        recalibrate_statistics(small, [normalization(dataset.train.images)])
        fit_head(small, dataset.train, normalization=normalization, method="ridge")
        expected = evaluate_accuracy(small, dataset.test, normalization=normalization)
        assert evaluate(mask, dataset.train, dataset.test, normalization=normalization) == expected


def test_the_mask_matters(toy_reference, toy_images):
    reference, dataset = load_reference(toy_reference), load_dataset(toy_images)
    normalization = Normalization.of(dataset.train)
    evaluate = MaskedAccuracy(reference)
    one = np.zeros(16, "float32")
    one[[0, 8]] = 1.0
    kernels = [
        evaluate.fit(ChannelMask(mask), dataset.train, normalization=normalization).kernel
        for mask in (one, np.ones(16, "float32"))
    ]
    assert (np.abs(kernels[0]).sum(1) > 0).sum() == 1
    assert (np.abs(kernels[1]).sum(1) > 0).sum() == 8
