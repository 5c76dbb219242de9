"""The extension that ComfyUI asks for its list of nodes."""

from comfy_api.latest import ComfyExtension, io


class ThreeDiMoExtension(ComfyExtension):
    """Hands the pack's nodes to the host. This version has none yet: the host loads it and adds nothing."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return []
