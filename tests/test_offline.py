"""The check of the built pages finds each fault that it is there for."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "doc" / "check_offline.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the documentation")
FINE = """
<link rel="stylesheet" href="_static/own.css?v=1"><link rel="canonical" href="https://example.org/">
<script src="_static/own.js"></script>
<script>const link = "https://example.org/";</script><a href="https://example.org/">elsewhere, to be followed</a>
<div class="sphx-glr-thumbcontainer"><img src="_static/thumb.svg"></div><img src="data:image/png;base64,AA">
<p>Let <span class="math"><math><mi>x</mi></math></span> be &lt;1 <br> <img alt="no address"> costs \\(1\\)</p>
"""
FAULTS = {
    '<script src="https://example.org/a.js"></script>': "https://example.org/a.js is elsewhere",
    '<script defer src="//example.org/a.js"></script>': "//example.org/a.js is elsewhere",
    '<link rel="stylesheet" href="http://example.org/a.css"/>': "a.css is elsewhere",
    '<link rel="preload" href="https://example.org/a.woff2">': "a.woff2 is elsewhere",
    '<img src="https://example.org/badge.svg">': "badge.svg is elsewhere",
    '<img srcset="_static/own.js 1x, https://example.org/b.png 2x">': "b.png is elsewhere",
    '<p style="background: url(https://example.org/c.png)">': "c.png is elsewhere",
    "<style>@import 'https://example.org/d.css';</style>": "d.css is elsewhere",
    '<link rel="alternate stylesheet" href="https://example.org/e.css">': "e.css is elsewhere",
    '<link rel="preload" imagesrcset="https://example.org/f.png 1x">': "f.png is elsewhere",
    '<input type="image" src="https://example.org/g.png">': "g.png is elsewhere",
    '<base href="https://example.org/h/">': "https://example.org/h/ is elsewhere",
    '<script type="module">import {a} from "https://example.org/i.js"</script>': "i.js is elsewhere",
    "<script>fetch('//example.org/j.json')</script>": "j.json is elsewhere",
    '<img src="_static/gone.png">': "_static/gone.png does not exist",
    r'<span class="math notranslate">\(x\)</span>': r"equation is not rendered: '\\(x",
    r'<div class="math"><math><mi>\foo</mi></math></div>': "equation is not rendered: '<math>",
    '<div class="math"></div>': "equation is not rendered: ''",
    '<div class="sphx-glr-thumbcontainer"><p><img src="_static/none.svg"></p></div>': "none.svg is a placeholder",
}


@pytest.fixture
def pages(tmp_path):
    static = tmp_path / "_static"
    static.mkdir()
    (static / "own.css").write_text("/* url(https://example.org/) */ p { background: url('own.js') }")
    (static / "own.js").write_text("")
    (static / "thumb.svg").write_text("<svg/>")
    (static / "none.svg").write_bytes((SCRIPT.parent / "_static" / "thumbnails" / "none.svg").read_bytes())
    (static / "template.html").write_text('<script src="{{ address }}"></script>')
    (tmp_path / "index.html").write_text(FINE)
    return tmp_path


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_offline", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_without_a_fault(check, pages):
    assert check.faults(pages) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_once(check, pages, fault):
    (pages / "deeper.html").write_text(FINE + fault + FINE)
    (found,) = check.faults(pages)
    assert found.startswith("deeper.html: ")
    assert FAULTS[fault] in found


def test_style_sheets_are_read(check, pages):
    (pages / "_static" / "more.css").write_text("@font-face { src: url(https://example.org/f.woff2) }")
    assert check.faults(pages) == ["_static/more.css: https://example.org/f.woff2 is elsewhere"]


def test_no_pages_are_a_fault(check, tmp_path):
    assert check.faults(tmp_path / "not there") != []


def test_the_script_fails_where_there_are_faults(pages):
    def run():
        return subprocess.run([sys.executable, SCRIPT, pages], capture_output=True, text=True, check=False)

    assert run().returncode == 0
    (pages / "index.html").write_text(next(iter(FAULTS)))
    failed = run()
    assert failed.returncode == 1
    assert "index.html: https://example.org/a.js is elsewhere" in failed.stdout
