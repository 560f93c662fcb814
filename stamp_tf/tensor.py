"""What the backend of Keras computes with, as an annotation."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of whatever backend Keras runs on, in a compiled step too. None of them is a type that all share."""
