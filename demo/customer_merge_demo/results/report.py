"""report.html: one page, without a single outside asset."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from customer_identity.explanation import PICTURE_STYLE, Finding, picture, sentence
from customer_merge_demo.results import words
from customer_merge_demo.results.facts import Facts
from customer_merge_demo.results.pictures import flow, timeline

_TEMPLATES = Path(__file__).parent / "templates"
COLUMNS = ("name", "born", "e-mail", "phone", "address")


def _icon(path: str) -> Markup:
    """A mark in a circle; the words beside it say the same."""
    return Markup(  # noqa: S704 - from the two lines below
        '<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round"><circle cx="10" cy="10" r="9"/><path d="{path}"/></svg>'
    )


_ICON_OK = _icon("M6 10.5l2.8 2.8L14.2 7.5")
_ICON_BAD = _icon("M6.5 6.5l7 7m0-7l-7 7")


def render(facts: Facts) -> str:
    """The whole page."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(
        number="{:,}".format,
        percent=_percent,
        score=_score,
        breakable=_breakable,
        sentence=sentence,
        weights=_weights,
        reason=words.reason,
        detail=words.detail,
    )
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(
        facts=facts,
        style=Markup(style + PICTURE_STYLE),  # noqa: S704 - our own
        flow=flow(facts.sizes),
        timeline=timeline(facts.samples),
        columns=COLUMNS,
        merged_people=sum(count for size, count in facts.sizes.items() if size > 1),
        icon_ok=_ICON_OK,
        icon_bad=_ICON_BAD,
    )


def _weights(finding: Finding) -> Markup:
    return Markup(picture(finding))  # noqa: S704 - it escapes what it is given


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _score(probability: float) -> str:
    """A probability; near 1 with enough digits to tell 0.999 from 0.99999."""
    if probability >= 0.9999:
        return "> 0.9999"
    return f"{probability:.4f}" if probability > 0.99 else f"{probability:.2f}"


def _breakable(value: str) -> Markup:
    """A value that may be broken after the @ of an e-mail address rather than inside a word."""
    return escape(value).replace("@", Markup("@<wbr>"))
