"""From a drawing to SVG: one to stand alone, one to be part of a page and take its colours."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from io import BytesIO, StringIO

from wavelit_plugin.compare.report.canvas import Picture
from wavelit_plugin.compare.report.palette import LIGHT

_DPI = 160
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_GLOBAL_STYLE = re.compile(r"\s*<defs>\s*<style[^>]*>.*?</style>\s*</defs>", re.DOTALL)
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)
_FONT = re.compile(r"font-family: [^;\"]*")
_OPENING = re.compile(r"<svg [^>]*>")
_VIEW = re.compile(r'viewBox="[^"]*"')
_IDENTIFIER = re.compile(r'\bid="([^"]*)"')
_NUMBER = re.compile(r"(?<=[ \"])-?\d+\.\d{3,}(?=[ \"\n])")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A picture in the forms in which it is given away.

    Attributes:
        name: of its files.
        title: what it shows, in a few words.
        caption: what to see in it.
        svg: a file on white ground.
        png: the same as points.
        inline: an ``<svg>`` element for a page. Its colours are the variables of ``palette``, its
            font is the page's, and its identifiers begin with the name: no two pictures share one.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes
    inline: str


def render(picture: Picture) -> Rendered:
    """Draw a picture; call inside ``drawing_style``."""
    drawn = _COMMENT.sub("", _METADATA.sub("", _drawn(picture)))
    return Rendered(
        name=picture.name,
        title=picture.title,
        caption=picture.caption,
        svg=_on_white(drawn),
        png=_png(picture),
        inline=_inline(drawn, picture),
    )


def _on_white(drawn: str) -> str:
    text = _FONT.sub(f"font-family: {_FONTS}", drawn)
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return _OPENING.sub(lambda found: f"{found[0]}\n {ground}", text, count=1)


def _png(picture: Picture) -> bytes:
    points = BytesIO()
    picture.figure.savefig(points, format="png", dpi=_DPI, facecolor="#ffffff")
    return points.getvalue()


def _inline(drawn: str, picture: Picture) -> str:
    text = _GLOBAL_STYLE.sub("", drawn)
    text = text[text.index("<svg ") :]
    view = _VIEW.search(text)
    label = html.escape(picture.title, quote=True)
    opening = f'<svg {view[0] if view else ""} role="img" aria-label="{label}">'
    text = _OPENING.sub(lambda _: opening, text, count=1)
    text = _NUMBER.sub(lambda found: f"{float(found[0]):.2f}", _FONT.sub("", text))
    return _themed(_own_identifiers(text, picture.name))


def _drawn(picture: Picture) -> str:
    drawn = StringIO()
    # the same identifiers for the same drawing, and others for another
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": picture.name}):
        picture.figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    return drawn.getvalue()


def _themed(text: str) -> str:
    for name, colour in LIGHT.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def _own_identifiers(text: str, name: str) -> str:
    """Prefix the identifiers that are referred to, and take the others out."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = _IDENTIFIER.sub(
        lambda found: f'id="{name}-{found[1]}"' if found[1] in used else "", text
    )
    return text.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'href="#{name}-')
