"""Training data: photographs packed once, and batches drawn from the pack."""

from superfine.data.ahead import ahead
from superfine.data.batches import Batches, Crop, turned
from superfine.data.pack import Entry, Pack, Skipped
from superfine.data.packing import pack

__all__ = ["Batches", "Crop", "Entry", "Pack", "Skipped", "ahead", "pack", "turned"]
