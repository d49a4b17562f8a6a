"""The report's pictures, as inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from customer_merge_demo.results.facts import Sample

_WIDTH, _HEIGHT = 920, 360
_TOP, _BAR_HEIGHT = 34.0, 300.0
_LEFT, _RIGHT, _BAR_WIDTH = 150.0, 660.0, 18.0
_GAP = 8.0
_LINE_HEIGHT = 18.0
_LEAST = 2.0  # a group that is there is never invisible


@dataclass(frozen=True, slots=True)
class _Band:
    label: str
    css: str
    records: int
    people: int


def flow(sizes: Mapping[int, int]) -> Markup:
    """Records on the left, people on the right, a band for each size of identity: it narrows by what was merged.

    `sizes`: records an identity has → how many identities have that many.
    """
    bands = _bands(sizes)
    records, people = sum(band.records for band in bands), sum(band.people for band in bands)
    scale = (_BAR_HEIGHT - _GAP * (len(bands) - 1)) / max(1, records)
    heights_right = [max(_LEAST, band.people * scale) for band in bands]
    left, right = _TOP, _TOP + (_BAR_HEIGHT - sum(heights_right) - _GAP * (len(bands) - 1)) / 2
    words_left = words_right = 0.0
    parts = []
    for band, height_right in zip(bands, heights_right, strict=True):
        height_left = max(_LEAST, band.records * scale)
        # Words of thin bands keep their distance.
        words_left = max(left + height_left / 2 + 4, words_left + _LINE_HEIGHT)
        words_right = max(right + height_right / 2 + 4, words_right + _LINE_HEIGHT)
        parts.append(_ribbon(band, left, height_left, right, height_right))
        parts.append(_words(band, words_left, words_right))
        left, right = left + height_left + _GAP, right + height_right + _GAP
    title = f"{records:,} records became {people:,} customers"
    head = (
        f'<text class="big" x="4" y="20">{records:,} records</text>'
        f'<text class="big" x="{_RIGHT + _BAR_WIDTH + 14}" y="20">{people:,} customers</text>'
    )
    # Every part is built here from numbers and fixed words.
    return Markup(  # noqa: S704
        f'<svg class="flow" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{head}{''.join(parts)}</svg>"
    )


def timeline(samples: Sequence[Sample]) -> Markup:
    """Records in, merges and acknowledged merges over time, as shares of their last value."""
    if len(samples) < 2:
        return Markup("")
    end = max(samples[-1].at_s, 0.001)
    lines = "".join(
        _line(css, [(sample.at_s / end, value(sample)) for sample in samples], value(samples[-1]))
        for css, value in _SERIES.items()
    )
    ticks = "".join(
        f'<text class="tick" x="{40 + 840 * share:.0f}" y="196">{end * share:.0f} s</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    title = "Progress over time: records in, pairs merged, merges relinked everywhere"
    return Markup(  # noqa: S704
        f'<svg class="timeline" viewBox="0 0 920 206" role="img" aria-label="{title}"><title>{title}</title>'
        f'<path class="axis" d="M40 176H880"/>{lines}{ticks}</svg>'
    )


_SERIES: Mapping[str, Callable[[Sample], int]] = {
    "records": lambda sample: sample.records,
    "merged": lambda sample: sample.merged,
    "relinked": lambda sample: sample.relinked,
}


def _bands(sizes: Mapping[int, int]) -> list[_Band]:
    def band(label: str, css: str, chosen: Mapping[int, int]) -> _Band:
        return _Band(label, css, sum(size * n for size, n in chosen.items()), sum(chosen.values()))

    bands = [
        band("stayed as they were", "one", {1: sizes.get(1, 0)}),
        band("two records each", "two", {2: sizes.get(2, 0)}),
        band("three records each", "three", {3: sizes.get(3, 0)}),
        band("four or more each", "more", {size: n for size, n in sizes.items() if size > 3}),
    ]
    return [band for band in bands if band.records]


def _ribbon(band: _Band, left: float, height_left: float, right: float, height_right: float) -> str:
    x1, x2 = _LEFT + _BAR_WIDTH, _RIGHT
    middle = (x1 + x2) / 2
    ribbon = (
        f"M{x1} {left:.1f}C{middle} {left:.1f} {middle} {right:.1f} {x2} {right:.1f}V{right + height_right:.1f}"
        f"C{middle} {right + height_right:.1f} {middle} {left + height_left:.1f} {x1} {left + height_left:.1f}Z"
    )
    return (
        f'<g class="{band.css}"><path class="ribbon" d="{ribbon}"/>'
        f'<rect x="{_LEFT}" y="{left:.1f}" width="{_BAR_WIDTH}" height="{height_left:.1f}" rx="3"/>'
        f'<rect x="{_RIGHT}" y="{right:.1f}" width="{_BAR_WIDTH}" height="{height_right:.1f}" rx="3"/></g>'
    )


def _words(band: _Band, y_left: float, y_right: float) -> str:
    return (
        f'<text class="end" x="{_LEFT - 14}" y="{y_left:.1f}">{band.records:,}</text>'
        f'<text x="{_RIGHT + _BAR_WIDTH + 14}" y="{y_right:.1f}">{band.people:,}'
        f' <tspan class="soft">{band.label}</tspan></text>'
    )


def _line(css: str, points: Sequence[tuple[float, int]], last: int) -> str:
    path = " ".join(f"{40 + 840 * x:.1f},{176 - 160 * (y / last if last else 0):.1f}" for x, y in points)
    return f'<polyline class="{css}" points="{path}"/>'
