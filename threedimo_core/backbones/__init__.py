"""Backbone adapters: one small class per video DiT family; the method itself is written once, elsewhere.

What needs diffusers lies in `loading` and `hunyuan_video15`, to be imported from there: ComfyUI uses the rest of this
package without paying for it.
"""

from .base import Backbone, BackboneDims, BackboneError
from .wan import WanBackbone

__all__ = ["Backbone", "BackboneDims", "BackboneError", "WanBackbone"]
