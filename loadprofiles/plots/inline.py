"""Figures in a notebook, small enough for a notebook to be kept with its outputs."""

import io
from functools import partial
from typing import Final

from matplotlib.figure import Figure
from PIL import Image

_COLORS: Final = 256


def small_png(figure: Figure, dpi: int) -> bytes:
    """A figure as PNG with a palette, which takes a third of what one in full colour does."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dpi, bbox_inches="tight")
    picture = Image.open(drawn).convert("RGB")
    # the method that leaves no colour far from what it was: pale bands keep that of their cluster
    palette = picture.quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(small, "PNG", optimize=True)
    return small.getvalue()


def show_small(dpi: int = 72) -> None:
    """Have the notebook that calls this show figures as `small_png`."""
    from IPython import get_ipython  # there where there is a notebook

    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, partial(small_png, dpi=dpi))
