"""Backbone adapters: one small class per video DiT family; the method itself is written once, elsewhere."""

from .base import Backbone, BackboneError
from .wan import WanBackbone

__all__ = ["Backbone", "BackboneError", "WanBackbone"]
