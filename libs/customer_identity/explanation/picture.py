"""The weights as a picture: a bar a field, each beginning where the last one ended (SVG, made of nothing but text)."""

from collections.abc import Iterator
from html import escape
from math import ceil, floor
from typing import Final

from customer_identity.explanation.finding import Finding
from customer_identity.explanation.sentence import sentence
from customer_identity.explanation.steps import Step, Steps, steps
from customer_identity.explanation.words import percent

# Colours are a page's own where it names them; the sign is told by figure, side and filling, too.
PICTURE_STYLE: Final = """
.weights { width:100%; height:auto; display:block; }
.weights text { fill:var(--ink, #17202a); font:14px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-variant-numeric:tabular-nums; }
.weights .soft { fill:var(--soft, #5a6673); } .weights .tick { fill:var(--soft, #5a6673); font-size:12px; text-anchor:middle; }
.weights .end { text-anchor:end; } .weights .sum { font-weight:700; }
.weights line { stroke:var(--line, #dde2e8); } .weights .even { stroke:var(--soft, #5a6673); } .weights .step { stroke-dasharray:2 2; stroke:var(--soft, #5a6673); }
.weights .for { fill:var(--plus, #1f8a7d); stroke:var(--plus, #1f8a7d); }
.weights .against { fill:var(--card, #fff); stroke:var(--minus, #c2571a); stroke-width:2; }
.weights .total { fill:var(--ink, #17202a); } .weights .paper { fill:#fff; }
"""  # noqa: E501 - a line a part of the picture
"""What the picture looks like; a page that shows several needs it once."""

_WIDTH: Final = 920
_NAME_X, _LEVEL_X, _FIGURE_X = 8, 160, 912
_LEFT, _RIGHT = 440.0, 844.0  # of the bars
_TOP, _ROW, _BAR, _FOOT = 34.0, 25.0, 15.0, 30.0
_MOST_TICKS: Final = 6
_SIDE_WORDS: Final = 110.0  # the room that `one person` takes
_LONGEST_NAME, _LONGEST_LEVEL = 20, 40  # letters that fit their column
_TITLE: Final = "What speaks for one person, and what against it"


def picture(finding: Finding, *, standalone: bool = False) -> str:
    """An `<svg>`: for a page that has PICTURE_STYLE, or, `standalone`, a whole file."""
    found = steps(finding)
    height = _TOP + _ROW * (len(found.rows) + 1) + _FOOT
    scale = _Scale(found)
    parts = [*_grid(scale, height), *_rows(found, scale), _sum(found, scale)]
    label = escape(_TITLE, quote=True)
    space = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    size = f' width="{_WIDTH}" height="{height:.0f}"' if standalone else ""
    paper = (
        f'<style>{PICTURE_STYLE}</style><rect class="paper" width="{_WIDTH}" height="{height:.0f}"/>'
        if standalone
        else ""
    )
    return (
        f'<svg{space} class="weights"{size} viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{label}">'
        f"<title>{label}</title><desc>{escape(_told(finding, found))}</desc>{paper}{''.join(parts)}</svg>"
    )


class _Scale:
    """Where a sum of bits stands in the picture."""

    def __init__(self, found: Steps) -> None:
        ends = [0.0, found.total, *(step.end for step in found.rows)]
        self.low, self.high = min(ends), max(*ends, min(ends) + 1.0)

    def x(self, bits: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (bits - self.low) / (self.high - self.low)

    def ticks(self) -> list[int]:
        """Even steps of 1, 2 or 5 times a power of ten."""
        span = self.high - self.low
        every = next(
            tick for power in range(12) for tick in (10**power, 2 * 10**power, 5 * 10**power)
            if span / tick <= _MOST_TICKS
        )  # fmt: skip
        return [every * number for number in range(ceil(self.low / every), floor(self.high / every) + 1)]


def _grid(scale: _Scale, height: float) -> Iterator[str]:
    bottom = height - _FOOT
    for tick in scale.ticks():
        x, css = scale.x(tick), ' class="even"' if tick == 0 else ""
        yield f'<line{css} x1="{x:.1f}" y1="{_TOP - 6:.0f}" x2="{x:.1f}" y2="{bottom:.0f}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 14:.0f}">{_signed(tick, "+d") if tick else 0}</text>'
    yield f'<text class="soft" x="{_NAME_X}" y="{bottom + 16:.0f}">in bits: each doubles the odds</text>'
    zero = scale.x(0.0)
    yield f'<text class="soft end" x="{zero - 8:.1f}" y="20">◂ two people</text>'
    if _WIDTH - zero > _SIDE_WORDS:
        yield f'<text class="soft" x="{zero + 8:.1f}" y="20">one person ▸</text>'


def _rows(found: Steps, scale: _Scale) -> Iterator[str]:
    for number, step in enumerate(found.rows):
        y = _TOP + _ROW * number
        css = "for" if step.weight > 0 else "against"
        yield _words(y, _clip(step.name, _LONGEST_NAME), _clip(step.level, _LONGEST_LEVEL), _signed(step.weight))
        yield _bar(y, scale.x(min(step.start, step.end)), scale.x(max(step.start, step.end)), css)
        x = scale.x(step.end)
        yield f'<line class="step" x1="{x:.1f}" y1="{y + _BAR:.1f}" x2="{x:.1f}" y2="{y + _ROW:.1f}"/>'


def _sum(found: Steps, scale: _Scale) -> str:
    y = _TOP + _ROW * len(found.rows)
    words = _words(y, "together", f"match probability {percent(found.score)}", _signed(found.total), " sum")
    return words + _bar(y, scale.x(min(0.0, found.total)), scale.x(max(0.0, found.total)), "total")


def _words(y: float, name: str, level: str, figure: str, css: str = "") -> str:
    base = f"{y + 12.5:.1f}"
    soft = "soft" if not css else css.strip()
    return (
        f'<text class="{css.strip() or "name"}" x="{_NAME_X}" y="{base}">{escape(name)}</text>'
        f'<text class="{soft}" x="{_LEVEL_X}" y="{base}">{escape(level)}</text>'
        f'<text class="end{css}" x="{_FIGURE_X}" y="{base}">{figure}</text>'
    )


def _bar(y: float, left: float, right: float, css: str) -> str:
    return f'<rect class="{css}" x="{left:.1f}" y="{y:.1f}" width="{max(1.0, right - left):.1f}" height="{_BAR:.0f}"/>'


def _told(finding: Finding, found: Steps) -> str:
    """The whole picture in words."""
    weights = "; ".join(_step_words(step) for step in found.rows)
    return f"{sentence(finding)} Weights in bits: {weights}; together {found.total:+.1f}."


def _step_words(step: Step) -> str:
    return f"{step.name} {step.level} {step.weight:+.1f}"


def _signed(number: float, form: str = "+.1f") -> str:
    return format(number, form).replace("-", "\N{MINUS SIGN}")


def _clip(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
