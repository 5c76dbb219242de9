"""Import-only stand-in: lets ComfyUI start where torchvision/torchaudio are absent. Any *use* raises."""
import sys
import types


def _lazy(modname):
    m = types.ModuleType(modname); m.__path__ = []; m.__version__ = "0.0.0"
    def __getattr__(n, _m=modname):
        if n.startswith("__"): raise AttributeError(n)
        class _Missing:
            def __init__(self, *a, **k): raise NotImplementedError(f"{_m}.{n}: not installed (stub)")
        _Missing.__name__ = n
        return _Missing
    m.__getattr__ = __getattr__
    return m
_self = sys.modules[__name__]; __version__ = "0.0.0"
for _n in ("transforms", "transforms.functional", "ops", "models", "models.optical_flow", "io", "utils"):
    _full = __name__ + "." + _n; sys.modules[_full] = _lazy(_full)
    _p, _, _c = _n.rpartition("."); setattr(sys.modules[__name__ + ("." + _p if _p else "")], _c, sys.modules[_full])
def __getattr__(n):
    if n.startswith("__"): raise AttributeError(n)
    raise NotImplementedError(n)
