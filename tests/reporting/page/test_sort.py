"""What may run in the HTML page: its own script that sorts tables, and nothing else."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from quant_accuracy.reporting.page import pages
from tests.support.report_documents import changed_image, curves, document, everything, variant

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_BROWSER = next(filter(None, map(shutil.which, _BROWSERS)), None)
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# Clicks on headings and tells the first column, and how the heading is said to be sorted, after each.
_CLICKS = """
const seen = [];
for (const [label, column] of CLICKS) {
  const table = document.querySelector(`[aria-label="${label}"] table`);
  const heading = table.tHead.rows[0].cells[column];
  heading.querySelector("button").click();
  seen.push({names: [...table.tBodies[0].rows].map(row => row.cells[0].textContent.trim()),
             sorted: [...table.tHead.rows[0].cells].map(cell => cell.getAttribute("aria-sort"))});
}
const result = document.createElement("pre");
result.id = "seen";
result.textContent = JSON.stringify(seen);
document.body.append(result);
"""


def _page(given: Any, folder: Path) -> str:
    return pages.render(given, "html", folder)


def _policy(page: str) -> Dict[str, str]:
    (content,) = _POLICY.findall(page)
    return dict(part.strip().split(" ", 1) for part in content.split(";"))


def test_the_policy_allows_exactly_the_script_of_the_page(tmp_path: Path) -> None:
    page = _page(everything(), tmp_path)
    (script,) = _SCRIPT.findall(page)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert _policy(page) == {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'",
                             "script-src": f"'sha256-{digest}'", "base-uri": "'none'", "form-action": "'none'"}
    assert page.index("Content-Security-Policy") < page.index("<style") < page.index("<script")


def test_the_script_neither_depends_on_data_nor_writes_markup(tmp_path: Path) -> None:
    (script,) = _SCRIPT.findall(_page(everything(), tmp_path))
    (other,) = _SCRIPT.findall(_page(document(model="{{ other }}"), tmp_path))

    assert script == other
    assert not [word for word in ("innerHTML", "outerHTML", "document.write", "eval", "insertAdjacentHTML", "fetch",
                                  "XMLHttpRequest", "import(", "Function(") if word in script]


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "4.png").write_bytes(b"\x89PNG")
    page = _page({**everything(), "changed_images": [changed_image(4, "4.png")]}, tmp_path)
    # What is embedded is no address.
    text = re.sub(r'"data:image/[^"]*"', '""', page).replace("ObjectURL(", "").lower()

    assert not re.findall(r"<(link|iframe|object|embed|base|form|audio|video|source|use|image|foreignobject)\b", text)
    assert not re.findall(r"\son\w+=", text)
    assert not [address for address in re.findall(r'\b(?:src|href|srcset|action|data|poster)="([^"]*)"', text)
                if address and not address.startswith("#")]
    assert not [sign for sign in ("http:", "https:", "url(", "@import", "javascript:") if sign in text]


def test_the_links_of_the_page_lead_to_its_sections_and_no_id_is_there_twice(tmp_path: Path) -> None:
    page = _page(everything(), tmp_path)
    ids = re.findall(r'\sid="([^"]*)"', page)

    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    assert set(re.findall(r'<section id="([^"]*)"', page)) <= set(re.findall(r'href="#([^"]*)"', page))


def _in_a_browser(page: Path) -> str:
    """The page as it is after its scripts have run."""
    if _BROWSER is None:
        pytest.skip(f"what a browser does can only be seen in one, and none of {', '.join(_BROWSERS)} is on the PATH")
    done = subprocess.run([str(_BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
                           f"--user-data-dir={page.parent}/user", page.as_uri()], capture_output=True, timeout=120)
    if done.returncode or b"</html>" not in done.stdout:
        pytest.skip(f"{_BROWSER} does not start here: {done.stderr.decode(errors='replace')[-200:]}")
    return done.stdout.decode("utf-8")


def _clicked(given: Any, clicks: List[Any], folder: Path) -> Any:
    """What clicks on the headings of tables do."""
    page = _POLICY.sub("", _page(given, folder))
    script = _CLICKS.replace("CLICKS", json.dumps(clicks))
    target = folder / "clicked.html"
    target.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', _in_a_browser(target), re.DOTALL)
    return json.loads(html.unescape(seen))


def test_clicks_on_headings_sort_and_what_says_nothing_stays_last(tmp_path: Path) -> None:
    figures = {"b": (0.5, 0.5), "a10": (0.75, 0.5), "a9": (None, None), "c": (0.1, 0.2)}
    given = {**everything(), "curves": curves(), "metrics": {
        side: variant(0.5, **{name: both[place] for name, both in figures.items()})
        for place, side in enumerate(("float", "quantized"))}}

    seen = _clicked(given, [("AP by class", 3), ("AP by class", 3), ("AP by class", 0), ("AP by class", 0),
                            ("AP by class", 1), ("AP by class", 1), ("Quantizers", 5), ("Quantizers", 7),
                            ("Quantizers", 1), ("Quantizers", 1)], tmp_path)

    assert [step["names"] for step in seen] == [
        ["c", "b", "a10", "a9"], ["a10", "b", "c", "a9"],           # by drop, the largest of which came first
        ["a9", "a10", "b", "c"], ["c", "b", "a10", "a9"],           # by name
        ["a10", "b", "c", "a9"], ["c", "b", "a10", "a9"],           # by the float AP
        ["box/weights:0", "conv/Relu6:0", "conv/weights:0", "conv/bias:0"],       # by the width of the range
        ["conv/weights:0", "conv/Relu6:0", "box/weights:0", "conv/bias:0"],       # by SQNR: no noise at all is most
        ["box/weights:0", "conv/Relu6:0", "conv/bias:0", "conv/weights:0"],       # by place
        ["conv/weights:0", "conv/bias:0", "conv/Relu6:0", "box/weights:0"],
    ]
    assert [step["sorted"][:4] for step in seen[:6]] == [
        [None, None, None, "ascending"], [None, None, None, "descending"], ["ascending", None, None, None],
        ["descending", None, None, None], [None, "descending", None, None], [None, "ascending", None, None]]


def test_only_the_pages_own_script_runs(tmp_path: Path) -> None:
    attack = """<script>document.title = "script"</script><img src="data:," onerror="document.title = 'handler'">"""
    page = _page(everything(), tmp_path).replace("</body>", f"{attack}</body>")
    (tmp_path / "attacked.html").write_text(page, encoding="utf-8")
    after = _in_a_browser(tmp_path / "attacked.html")

    assert "<title>some_model: pass</title>" in after
    # Headings of classes, errors by class, quantizers and ops.
    assert after.count('<button type="button">') == 4 + 8 + 10 + 7
