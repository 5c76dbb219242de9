"""Import-only stand-in, so that ComfyUI starts in tests where torchaudio is not installed. Any use raises."""

import sys
import types
from typing import Any

__version__ = "0.0.0"
SUBMODULES = ("transforms", "functional")


def _empty(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = []

    def missing(attribute: str) -> type:
        if attribute.startswith("__"):
            raise AttributeError(attribute)

        def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
            raise NotImplementedError(f"{name}.{attribute}: not installed (stand-in)")

        return type(attribute, (), {"__init__": refuse})

    module.__getattr__ = missing  # type: ignore[method-assign]
    return module


for _name in SUBMODULES:
    _full = f"{__name__}.{_name}"
    sys.modules[_full] = _empty(_full)
    _parent, _, _child = _full.rpartition(".")
    setattr(sys.modules[_parent], _child, sys.modules[_full])


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"{__name__}.{name}: not installed (stand-in)")
