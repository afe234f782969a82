"""Labels: what is written is seen."""

import pytest

from superfine.images.lettering import render_text


@pytest.mark.parametrize("text", ["photo.jpg", "Österreich.jpg", "Ünïcode bild", "Ấn Độ", "\u1eb4\u1eb4\nÅ"])
@pytest.mark.parametrize("font", ["sans 8", "sans 9"])
def test_capitals_with_accents_are_drawn(text: str, font: str) -> None:
    drawn = render_text(text, 240, font=font)
    assert drawn.shape[1:] == (240, 3)
    assert drawn.min() < 0.5 < drawn.max() <= 1
