"""Sphinx extension: equations become MathML in the build, so that a browser shows them without a script."""

import re
import unicodedata
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)


# environments that the converter does not know -> the like of them that it does
ENVIRONMENTS = {"aligned": "split", "gather": "matrix", "gathered": "matrix"}
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", NAMESPACE)
ROWS = ("math", "mrow", "mtd", "msqrt", "mstyle")  # whose parts stand side by side
THIN = "0.167em"


def mathml(latex: str, display: str) -> str:
    r"""MathML of LaTeX; what would come out wrong is an error, and so stops the build.

    >>> mathml(r"\eta", "inline")
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow><mi>η</mi></mrow></math>'
    >>> mathml(r"2 \log x = \log(x^2)", "inline").count("<mspace")
    2
    >>> ascii(mathml(r"\mathsf T", "inline")[-30:])
    "'<mrow><mi>\\U0001d5b3</mi></mrow></math>'"
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
    >>> mathml(r"\text{if $a<b$}", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: no LaTeX that can be written as MathML: '\\text{if $a<b$}'
    >>> mathml(r"\text{if $a = b$}", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: $, $ cannot be written as MathML: '\\text{if $a = b$}'
    >>> mathml(r"\operatorname*{arg\,max} x", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: empty operators cannot be written as MathML: '\\operatorname*{arg\\,max} x'
    >>> mathml(r"\mathscr{L}", "block")
    Traceback (most recent call last):
    sphinx.errors.ExtensionError: L in script cannot be written as MathML: '\\mathscr{L}'
    """
    text = latex.strip()
    if r"\\" in text and r"\begin" not in text:
        text = rf"\begin{{split}}{text}\end{{split}}"
    for unknown, known in ENVIRONMENTS.items():
        text = re.sub(rf"\\(begin|end)\{{{unknown}\*?\}}", rf"\\\1{{{known}}}", text)
    try:
        root = ElementTree.fromstring(convert(text, display=display))
    except Exception as error:
        raise ExtensionError(f"no LaTeX that can be written as MathML: {latex!r}") from error
    wrong = re.findall(r"\\\w*|\$", " ".join(root.itertext()))
    for element in root.iter():
        if element.get("linebreak") == "newline":  # which browsers do not break lines at
            wrong.append("new lines")
        if kind(element) == "mo" and not (element.text or element.get("fence")):
            wrong.append("empty operators")
        wrong += unlike(element)
        if kind(element) in ROWS:
            set_apart(element)
    if wrong:
        raise ExtensionError(f"{', '.join(wrong)} cannot be written as MathML: {latex!r}")
    return ElementTree.tostring(root, encoding="unicode")


def kind(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


def unlike(element: ElementTree.Element) -> list[str]:
    """Write a letter in another style as a character, as browsers know no such style; or say what cannot be."""
    style, text = element.get("mathvariant"), element.text or ""
    if style in (None, "normal", "italic"):
        return []
    size = "CAPITAL" if text.isupper() else "SMALL"
    try:
        element.text = unicodedata.lookup(f"MATHEMATICAL {style.replace('-italic', ' italic').upper()} {size} {text}")
    except KeyError:
        return [f"{text} in {style}"]
    del element.attrib["mathvariant"]
    return []


def set_apart(row: ElementTree.Element) -> None:
    """Put thin spaces around names of functions, as LaTeX does, but not before brackets."""
    parts = list(row)
    for number in reversed(range(1, len(parts))):
        before, after = parts[number - 1], parts[number]
        opens = kind(after) == "mo" or kind(next(iter(after), after)) == "mo"
        closes = kind(before) == "mo" and before.text not in (")", "]", "}")
        spaced = "mspace" in (kind(before), kind(after))
        if not spaced and ((is_name(before) and not opens) or (is_name(after) and not closes)):
            row.insert(number, ElementTree.Element(f"{{{NAMESPACE}}}mspace", width=THIN))


def is_name(element: ElementTree.Element) -> bool:
    """Whether it is the name of a function, with or without an index."""
    base = element if kind(element) not in ("msub", "msup", "msubsup") else element[0]
    return kind(base) == "mi" and len(base.text or "") > 1 and str(base.text).isalpha()


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
