"""Pictures: read them, write them, resize them as the literature does.

Pixels are float32 RGB in [0, 1], height × width × channel, at every border.
"""

import pyvips

from superfine.images.formats import FORMATS, Format, format_of, is_picture, is_unread, pictures_below
from superfine.images.imresize import imresize, imresize_strips, imresize_tensor
from superfine.images.picture import Metadata, Picture
from superfine.images.read import in_unit, read, read_levels, size
from superfine.images.write import write, write_strips

# libvips keeps the results of operations by their arguments; ours are streams that are used once, so that would only hold
# memory and open files.
pyvips.cache_set_max(0)

__all__ = [
    "FORMATS",
    "Format",
    "Metadata",
    "Picture",
    "format_of",
    "imresize",
    "imresize_strips",
    "imresize_tensor",
    "in_unit",
    "is_picture",
    "is_unread",
    "pictures_below",
    "read",
    "read_levels",
    "size",
    "write",
    "write_strips",
]
