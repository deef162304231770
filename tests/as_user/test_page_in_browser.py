"""The page in a browser: links, filters, boxes, keyboard, print, and that no barrier and no request is in it."""

import csv
import io
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from PIL import Image

from quant_accuracy.reporting.page import pages
from tests.support import browser
from tests.support.browser import Opened
from tests.support.report_documents import (
    changed_image,
    check,
    confusion,
    curves,
    depth,
    device,
    distribution,
    document,
    past_run,
    variant,
    verdict,
    why,
)

_AXE = {"resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red page with everything on it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "images").mkdir()
    noise = np.random.RandomState(0).randint(0, 255, [240, 320, 3]).astype(np.uint8)
    for number in (3, 4, 17, 18, 19):
        Image.fromarray(noise).save(str(folder / "images" / f"{number}.jpg"), quality=20)
    images = [changed_image(number, f"images/{number}.jpg") for number in (17, 4, 18, 19)]
    # Scores of this image begin elsewhere.
    images[1]["score"] = 0.5
    given = document(
        verdicts=[verdict(outcome="fail"), check("encodings_drift", outcome="fail", upper=0.01,
                                                message="1 of 3 moved:\n  conv/Relu6:0: [0, 4.8] -> [0, 6]")],
        why=why(), device=device(changed_images=[changed_image(3, "images/3.jpg", device=0.1)]), device_depth=depth(7),
        distributions=[distribution("conv/Relu6:0"),
                       distribution("box/weights:0", channels=[[-1.0, 0.5], [-0.1, 3.0]])],
        changed_images=images, history=[past_run(day=1), past_run(0.03, "quantization.scheme", day=2)],
        snapshot={"differences": ["~ conv/bias:0: 8 bits -> off (rule: params: bias)"],
                  "moved": [{"tensor": "conv/Relu6:0", "change": 0.25, "before": [0.0, 4.8], "after": [0.0, 6.0]}]})
    path, = pages.write(given, folder, ["html"])
    return path


@pytest.fixture
def shown(chromium: Any, report: Path) -> Iterator[Opened]:
    with browser.opened(chromium, report) as found:
        yield found


def _rows(shown: Opened) -> Any:
    """The names of the quantizers that are seen."""
    return [text.split(":0")[0] for text in shown.texts("#quantizers table.sortable tbody th")]


def test_a_red_page_is_walked_from_badge_to_cause_and_back(shown: Opened) -> None:
    page = shown.page

    page.click("header a.verdict")
    assert page.url.endswith("#verdict-0")
    page.click("#verdict-0 >> text=where the drop lies")
    page.click("#lies >> text=17")
    assert page.url.endswith("#image-17")
    page.click("#images .proves >> text=mAP_drop")
    page.click("#verdict-0 >> text=which quantizers")
    page.click("#culprits .names a >> nth=0")
    assert page.url.endswith("#quantizer-4")
    assert page.locator("#quantizer-4").is_visible()


def test_a_link_opens_the_part_that_its_target_lies_in(shown: Opened) -> None:
    assert not shown.page.locator("#image-19").is_visible()

    shown.page.evaluate("location.hash = '#image-19'")

    shown.page.wait_for_selector("#image-19", state="visible")


def test_quantizers_are_searched_filtered_and_counted(shown: Opened) -> None:
    page = shown.page
    assert page.inner_text("#quantizers output") == "4 of 4"

    page.fill("#quantizers [name=search]", "CONV weights")
    assert _rows(shown) == ["conv/weights"]
    page.fill("#quantizers [name=search]", "")
    page.check("#quantizers [name=on]")
    assert _rows(shown) == ["box/weights", "conv/Relu6", "conv/weights"]
    page.check("#quantizers [name=changed]")
    assert _rows(shown) == ["conv/Relu6"]
    assert page.inner_text("#quantizers output") == "1 of 4"
    # What a link leads to is shown, whatever was filtered.
    page.evaluate("location.hash = '#quantizer-4'")
    page.wait_for_selector("#quantizer-4", state="visible")


def test_the_values_of_any_quantizer_can_be_looked_at(shown: Opened) -> None:
    drawing = shown.page.locator("#quantizer-3 svg.values")
    assert not drawing.is_visible()

    shown.page.focus("#quantizer-3 summary")
    shown.page.keyboard.press("Enter")

    assert drawing.is_visible()
    assert "2 % above" in drawing.get_attribute("aria-label")


def test_the_link_of_encodings_drift_shows_what_moved(shown: Opened) -> None:
    shown.page.click("#verdict-1 >> text=quantizers that changed")

    shown.page.wait_for_selector("#quantizer-4", state="hidden")
    assert sorted(_rows(shown)) == ["conv/Relu6", "conv/bias"]


def test_headings_sort_by_mouse_and_keyboard(shown: Opened) -> None:
    heading = shown.page.locator("#quantizers thead button >> nth=1")

    heading.click()
    assert _rows(shown) == ["box/weights", "conv/Relu6", "conv/bias", "conv/weights"]
    heading.press("Enter")
    assert _rows(shown) == ["conv/weights", "conv/bias", "conv/Relu6", "box/weights"]
    assert shown.page.get_attribute("#quantizers thead th >> nth=1", "aria-sort") == "ascending"


def test_what_is_shown_of_the_quantizers_can_be_saved_as_csv(shown: Opened, tmp_path: Path) -> None:
    shown.page.check("#quantizers [name=changed]")
    with shown.page.expect_download() as started:
        shown.page.click("#quantizers .tools button")
    started.value.save_as(str(tmp_path / "saved.csv"))
    rows = list(csv.reader(io.StringIO((tmp_path / "saved.csv").read_text(encoding="utf-8-sig"))))

    assert started.value.suggested_filename == "quantizers.csv"
    assert rows[0][:4] == ["tensor", "#", "kind", "bits"]
    assert [row[0] for row in rows[1:]] == ["conv/Relu6:0", "conv/bias:0"]
    assert rows[1][6] == "25 was 0 .. 4.8"


def test_variants_are_switched_off_and_the_slider_hides_low_scores(shown: Opened) -> None:
    def boxes(variant: str) -> int:
        return len([box for box in shown.page.query_selector_all(f"#image-17 rect.{variant}:not(.light)")
                    if box.is_visible()])

    assert [boxes(name) for name in ("truth", "float", "quantized")] == [4, 3, 3]
    shown.page.uncheck("#images [name=float]")
    assert [boxes(name) for name in ("truth", "float", "quantized")] == [4, 0, 3]
    shown.page.locator("#images [name=score]").evaluate(
        "slider => { slider.value = '0.7'; slider.dispatchEvent(new Event('input', {bubbles: true})); }")
    assert [boxes(name) for name in ("truth", "float", "quantized")] == [4, 0, 1]
    assert shown.page.inner_text("#images output") == "0.70"


def test_images_are_filtered_by_class_and_change(shown: Opened) -> None:
    def told() -> Any:
        return [text.split(" ", 1)[1] for text in shown.texts("#image-17 tbody tr")]

    assert told() == ["dog lost 0.70 → 0.20 0.93 → 0.93", "fox gained – → 0.40", "dog moved 0.60 → 0.58 1.00 → 0.60",
                      "cat score 0.90 → 0.80 1.00 → 0.96", "fox missed – → – – → –"]
    shown.page.select_option("#images [name=class]", "dog")
    assert [text.split()[1] for text in told()] == ["lost", "moved"]
    shown.page.select_option("#images [name=change]", "moved")
    assert [text.split()[0] for text in told()] == ["dog"]
    shown.page.select_option("#images [name=class]", "")
    shown.page.select_option("#images [name=change]", "any")
    assert len(told()) == 4


def test_a_box_and_its_row_light_up_together_and_can_be_pinned(shown: Opened) -> None:
    row, box = "#image-17 tr[data-item='4']", "#image-17 .item[data-item='4']"

    shown.page.hover(row)
    assert "lit" in shown.page.get_attribute(box, "class")
    shown.page.hover("h1")
    assert "lit" not in shown.page.get_attribute(box, "class")
    shown.page.focus(f"{row} .pin")
    shown.page.keyboard.press("Space")
    assert "lit" in shown.page.get_attribute(box, "class")
    assert shown.page.text_content(f"{box} title") == "4 cat: 0.90 → 0.80, IoU 1.00 → 0.96"


def test_numbers_do_not_cover_the_picture(shown: Opened) -> None:
    picture = shown.page.locator("#image-17 img").bounding_box()
    for text in shown.page.query_selector_all("#image-17 svg text"):
        if text.is_visible():
            box = text.bounding_box()
            assert box["x"] + box["width"] <= picture["x"] + 1 or box["x"] >= picture["x"] + picture["width"] - 1


def test_the_command_is_copied(chromium: Any, report: Path) -> None:
    with browser.opened(chromium, report, permissions=["clipboard-read", "clipboard-write"]) as shown:
        shown.page.click("#run .command button")
        shown.page.wait_for_selector("#run .command button >> text=Copied")

        assert shown.page.evaluate("navigator.clipboard.readText()") == "./run report --model 'some model.yaml'"


@pytest.mark.parametrize("width", [500, 1280, 1920])
def test_nothing_is_cut_off_at_the_side_and_sort_buttons_stay(chromium: Any, report: Path, width: int) -> None:
    with browser.opened(chromium, report, viewport={"width": width, "height": 900}) as shown:
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.page.locator("#quantizers thead button >> nth=0").is_visible()
        if width == 1920:
            assert shown.page.locator("main").bounding_box()["width"] > 1700


@pytest.mark.parametrize("width", [390, 1280])
def test_a_link_leads_to_a_row_that_no_heading_covers(chromium: Any, report: Path, width: int) -> None:
    with browser.opened(chromium, report, viewport={"width": width, "height": 500}) as shown:
        shown.page.click("#culprits ul.names a >> nth=0")
        shown.page.wait_for_selector("tr:target")
        on_top = shown.page.evaluate("""() => {
          const {left, top} = document.querySelector(":target").getBoundingClientRect();
          return document.elementFromPoint(left + 12, top + 8).closest("tr").id; }""")

        assert on_top == shown.page.url.split("#")[1]


def test_long_names_of_classes_do_not_widen_the_page(chromium: Any, tmp_path: Path) -> None:
    long = "x" * 80
    image = changed_image(17, "17.jpg")
    image["objects"][0]["name"] = long
    Image.new("RGB", (320, 240)).save(str(tmp_path / "17.jpg"))
    given = document(changed_images=[image], metrics={side: variant(0.6, **{long: 0.5}) for side in (
        "float", "quantized")}, curves=curves(long), confusion=confusion(long, "dog"), why=why())
    path, = pages.write(given, tmp_path, ["html"])
    with browser.opened(chromium, path, viewport={"width": 390, "height": 800}) as shown:
        assert shown.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [500, 1280])
def test_axe_finds_no_barrier(chromium: Any, report: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright",
                              reason="axe is not installed; ./run browser-install adds it, from Python 3.10 on")
    with browser.opened(chromium, report, color_scheme=scheme, viewport={"width": width, "height": 900},
                        # Its script would be refused as any other.
                        bypass_csp=True) as shown:
        shown.page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        found = axe.Axe().run(shown.page, options=_AXE).response["violations"]

    assert [(rule["id"], node["html"][:150], node["failureSummary"][:200])
            for rule in found for node in rule["nodes"][:3]] == []


def test_printed_the_page_has_the_changed_and_the_worst_and_few_sheets(chromium: Any, report: Path) -> None:
    with browser.opened(chromium, report) as shown:
        shown.page.emulate_media(media="print")
        assert not shown.page.locator("nav").is_visible()
        assert shown.page.locator("#quantizers .on-paper").is_visible()
        sheets = shown.page.pdf().count(b"/Type /Page\n")

    assert 0 < sheets < 10
