"""Text as pixels: the labels of contact sheets."""

import html

import numpy as np
import pyvips
from numpy.typing import NDArray

from superfine.errors import UserError


def render_text(text: str, width: int, *, font: str) -> NDArray[np.float32]:
    """Black text on white, h×width×3 in [0,1], wrapped where it is too long.

    Parameters
    ----------
    text : of characters that print (:func:`superfine.text.printable`), and line breaks.
    font : as Pango names it, such as "sans 9".

    Raises
    ------
    UserError
        libvips has no font to draw with.
    """
    try:
        # Pango reads the text as markup.
        image = pyvips.Image.text(html.escape(text, quote=False), font=font, width=width, wrap="word-char", dpi=96)
    except pyvips.Error as error:
        cause = " ".join(str(error).split())
        raise UserError(f"libvips cannot draw text here ({cause}); install a font such as DejaVu Sans") from None
    ink = np.asarray(image.numpy(), np.float32).reshape(image.height, image.width)[:, :width] / 255
    # libvips cuts away what is empty above the letters, which differs from text to text; an accent may reach above the line.
    top = max(0, image.yoffset)
    paper = np.ones((top + image.height, width, 3), np.float32)
    paper[top:, : ink.shape[1]] -= ink[:, :, None]
    return paper
