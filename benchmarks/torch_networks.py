"""ResNet-50 and MobileNetV2 in PyTorch, layer for layer those of keras.applications.

They are here because torchvision's ResNet-50 has no biases in its convolutions and strides in other places
(25,557,032 trainable parameters; `bias=False` has as many). Padding of stride-2 convolutions may be on the other side,
which changes neither shapes nor cost. Weights are random.
"""

import torch
from torch import Tensor, nn

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
# Expansion, channels, blocks, stride of the first one.
_INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Bottleneck(nn.Module):
    """A residual block of 1x1, 3x3 and 1x1 convolutions; the first one strides."""

    def __init__(self, num_inputs: int, channels: int, stride: int, *, is_first: bool, bias: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normalized(nn.Conv2d(num_inputs, channels, 1, stride, bias=bias), nn.ReLU()),
            *_normalized(nn.Conv2d(channels, channels, 3, 1, 1, bias=bias), nn.ReLU()),
            *_normalized(nn.Conv2d(channels, 4 * channels, 1, bias=bias)),
        )
        shortcut = _normalized(nn.Conv2d(num_inputs, 4 * channels, 1, stride, bias=bias))
        self.shortcut = nn.Sequential(*shortcut) if is_first else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Return the block's output."""
        return self.relu(self.body(images) + self.shortcut(images))


class InvertedResidual(nn.Module):
    """A 1x1 convolution that widens, a depthwise one, and a 1x1 convolution that narrows."""

    def __init__(self, num_inputs: int, channels: int, stride: int, *, expansion: int) -> None:
        super().__init__()
        wide = expansion * num_inputs
        layers = []
        if expansion != 1:
            layers += _normalized(nn.Conv2d(num_inputs, wide, 1, bias=False), nn.ReLU6())
        layers += _normalized(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.ReLU6())
        layers += _normalized(nn.Conv2d(wide, channels, 1, bias=False))
        self.body = nn.Sequential(*layers)
        self.is_residual = stride == 1 and num_inputs == channels

    def forward(self, images: Tensor) -> Tensor:
        """Return the block's output."""
        return images + self.body(images) if self.is_residual else self.body(images)


class Classifier(nn.Module):
    """Features, their spatial mean, and a linear layer."""

    def __init__(self, features: nn.Sequential, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.features = features
        self.logits = nn.Linear(num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `[B, classes]` of images `[B, 3, H, W]`."""
        return self.logits(torch.flatten(nn.functional.adaptive_avg_pool2d(self.features(images), 1), 1))


def resnet50(num_classes: int = 1000, *, bias: bool = True) -> nn.Module:
    """Build ResNet-50 (He et al. 2015).

    Args:
        num_classes: Number of logits.
        bias: Whether convolutions have biases, as in keras.applications.
    """
    layers = [*_normalized(nn.Conv2d(3, 64, 7, 2, 3, bias=bias), nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    num_inputs = 64
    for channels, blocks, stride in _STAGES:
        for index in range(blocks):
            is_first = index == 0
            layers.append(
                Bottleneck(num_inputs, channels, stride if is_first else 1, is_first=is_first, bias=bias)
            )
            num_inputs = 4 * channels
    return Classifier(nn.Sequential(*layers), num_inputs, num_classes)


def mobilenet_v2(num_classes: int = 1000) -> nn.Module:
    """Build MobileNetV2 at width 1 (Sandler et al. 2018).

    Args:
        num_classes: Number of logits.
    """
    layers = [*_normalized(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.ReLU6())]
    num_inputs = 32
    for expansion, channels, blocks, stride in _INVERTED:
        for index in range(blocks):
            layers.append(
                InvertedResidual(num_inputs, channels, stride if index == 0 else 1, expansion=expansion)
            )
            num_inputs = channels
    layers += _normalized(nn.Conv2d(num_inputs, 1280, 1, bias=False), nn.ReLU6())
    return Classifier(nn.Sequential(*layers), 1280, num_classes)


NETWORKS = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}


def _normalized(convolution: nn.Conv2d, *activation: nn.Module) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), *activation]
