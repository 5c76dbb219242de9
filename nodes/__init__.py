"""ComfyUI nodes: a schema and one or two calls into `threedimo_core` each. Only this room knows it."""

from .extension import ThreeDiMoExtension

__all__ = ["ThreeDiMoExtension"]
