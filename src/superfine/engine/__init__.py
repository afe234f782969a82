"""Enlarging pictures with a model folder, on any device."""

from superfine.engine.upscale import Model, load

__all__ = ["Model", "load"]
