"""Sphinx extension: equations become MathML in the build, so that a browser shows them without a script."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)


# environments that the converter does not know -> the like of them that it does
ENVIRONMENTS = {"aligned": "split", "gather": "matrix", "gathered": "matrix"}


def mathml(latex: str, display: str) -> str:
    r"""MathML of LaTeX; what would come out wrong is an error, and so stops the build.

    >>> mathml(r"\eta", "inline")
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow><mi>&#x003B7;</mi></mrow></math>'
    >>> mathml(r"a &= b \\ c &= d", "block").count("<mtr>")
    2
    >>> mathml(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "block").count("<mtr>")
    2
    >>> mathml(r"\nosuch{x}", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: \nosuch cannot be written as MathML: '\\nosuch{x}'
    >>> mathml(r"\begin{eqnarray} a \\ b \end{eqnarray}", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: new lines cannot be written as MathML: '\\begin{eqnarray} a \\\\ b \\end{eqnarray}'
    """
    text = latex.strip()
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{split}}{text}\end{{split}}"
    for unknown, known in ENVIRONMENTS.items():
        text = re.sub(rf"\\(begin|end)\{{{unknown}\*?\}}", rf"\\\1{{{known}}}", text)
    try:
        markup = str(convert(text, display=display))
    except Exception as error:
        raise ExtensionError(f"no LaTeX that can be written as MathML: {latex!r}") from error
    wrong = re.findall(r"\\\w*", re.sub(r"<[^>]*>", " ", markup))
    if 'linebreak="newline"' in markup:  # which browsers do not break lines at
        wrong.append("new lines")
    if wrong:
        raise ExtensionError(f"{', '.join(wrong)} cannot be written as MathML: {latex!r}")
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
