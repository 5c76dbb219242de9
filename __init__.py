"""ComfyUI's entry into the pack.

ComfyUI imports this folder under a name of its own and asks `comfy_entrypoint` for an extension (V3 API).
The nodes are imported inside the entry point, so that starting the host costs nothing. Pytest imports this
file as a plain module, without a package: the guard leaves it empty then.
"""

if __package__:
    import logging
    from typing import Any

    WEB_DIRECTORY = "./web"
    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]

    async def comfy_entrypoint() -> Any:
        """Return the pack's `ComfyExtension`; log an error first, since the host prints no traceback."""
        try:
            from .nodes import ThreeDiMoExtension
        except Exception:
            logging.getLogger(__name__).exception("ComfyUI-3DiMo: its nodes could not be imported")
            raise
        return ThreeDiMoExtension()
