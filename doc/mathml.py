"""Sphinx extension: equations become MathML in the build, so that a browser shows them without a script."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(latex: str, display: str) -> str:
    """MathML of LaTeX; a command that the converter does not know is an error, not a word on the page."""
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    try:
        markup = str(convert(latex.strip(), display=display))
    except Exception as error:
        raise ExtensionError(f"cannot be written as MathML: {latex!r}") from error
    unknown = re.findall(r"\\\w*", re.sub(r"<[^>]*>", "", markup))
    if unknown:
        raise ExtensionError(f"{', '.join(unknown)} cannot be written as MathML: {latex!r}")
    return markup


def visit_inline(translator: Any, node: nodes.math) -> None:
    markup = written(node, "inline")
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    translator.body.append(f"{markup}</span>")
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    markup = written(node, "block")
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node.get("number"):
        translator.body.append(f'<span class="eqno">({node["number"]})</span>')
    translator.body.append(f"{markup}</div>\n")
    raise nodes.SkipNode


def written(node: nodes.Element, display: str) -> str:
    try:
        return mathml(node.astext(), display)
    except ExtensionError as error:
        logger.warning("%s", error, location=node)
        return ""


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
