"""Backbone adapters: one small class per video DiT family; the method itself is written once, elsewhere."""

from .base import Backbone, BackboneDims, BackboneError
from .loading import load_backbone, save_backbone
from .wan import WanBackbone

__all__ = ["Backbone", "BackboneDims", "BackboneError", "WanBackbone", "load_backbone", "save_backbone"]
