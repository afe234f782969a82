"""superfine: single-image super-resolution, from photographs to trained models to enlarged pictures.

>>> import superfine
>>> large = superfine.load().upscale(small)  # height × width × 3, float32 in [0,1]
"""

from typing import TYPE_CHECKING, Any

from superfine.version import __version__

__all__ = ["Model", "__version__", "load"]

if TYPE_CHECKING:
    from superfine.engine import Model, load


def __getattr__(name: str) -> Any:
    # Deferred, so that the command line's help, and training, do not import an inference engine.
    if name in ("Model", "load"):
        from superfine import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
