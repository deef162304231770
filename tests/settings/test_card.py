"""Model cards: defaults, what is refused and where, and how other writers spell them."""

from pathlib import Path
from typing import Callable, Optional, Tuple

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data import images
from quant_accuracy.quantization.records import Override
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card_files import SHIPPED
from tests.support.configurations import DEFAULT, written


@pytest.mark.parametrize("name", [path.stem for path in SHIPPED.glob("*.yaml")])
def test_shipped_cards_can_be_read_and_are_named_after_their_file(name: str) -> None:
    assert card.load(name).name == name


_CARD = """
name: mine
graph: {starting_op: start, output_ops: [end]}
input: {height: 300, width: 300}
"""


def _write_card(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_card_has_defaults(tmp_path: Path) -> None:
    found = card.load(_write_card(tmp_path, _CARD))

    assert found.calibration_images == 50
    assert (found.quantization.param_bitwidth, found.quantization.output_bitwidth) == (8, 8)
    assert found.graph.detections[0] == "detection_boxes"


@pytest.mark.parametrize(("written", "found"), [
    ("start", ("start",)), ("[start]", ("start",)), ("[a/large, b/small]", ("a/large", "b/small")),
])
def test_a_network_starts_at_one_op_or_at_several(tmp_path: Path, written: str, found: Tuple[str, ...]) -> None:
    text = _CARD.replace("starting_op: start", f"starting_op: {written}")

    assert card.load(_write_card(tmp_path, text)).graph.starting_ops == found


@pytest.mark.parametrize(("written", "message"), [
    ("7", "starting_op is 7; give the name of an op, or a list of names"),
    ("[]", r"starting_op is \[\]; give the name"),
    ("[start, 7]", r"starting_op is \['start', 7\]; give"), ("''", "starting_op is ''; give"),
    ("[a, '']", r"starting_op is \['a', ''\]; give"), ("{a: b}", "starting_op is {'a': 'b'}; give"),
    ("[a, b, a]", "starting_op names 'a' twice; give each op once"),
])
def test_starting_ops_that_are_no_names_are_refused(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"mine.yaml: graph.{message}"):
        card.load(_write_card(tmp_path, _CARD.replace("starting_op: start", f"starting_op: {written}")))


@pytest.mark.parametrize(("line", "message"), [
    ("calibrations: {images: 5}", "calibrations is unknown; did you mean 'calibration'"),
    ("gates: {mAP_dorp: 0.1}", "gates.mAP_dorp is unknown; did you mean 'mAP_drop'"),
    ("calibration: {images: 0}", "calibration.images is 0; give a whole number"),
    ("calibration: {images: many}", "calibration.images is 'many'"),
    ("quantization: {scheme: best}", "quantization.scheme is 'best'"),
    ("gates: {mAP_drop: low}", "gates.mAP_drop is 'low'; give a number"),
    ("gates: {mAP_drop: jitter}", "gates.mAP_drop is 'jitter'; give a number"),
    ("gates: {float_mAP: 0.3}", "gates.float_mAP is not a mapping"),
    ("gates: {float_mAP: {expected: 0.3}}", "gates.float_mAP.within is missing"),
    ("gates: {mAP_drop: .nan}", "gates.mAP_drop is nan; give a number"),
    ("assumptions: {bias: false}", "assumptions.bias is unknown; did you mean 'biases'"),
    ("assumptions: {inputs: 8}", "assumptions.inputs is 8; give true or false"),
    ("gates: [1]", "gates is not a mapping"),
    ("data: {demo: 1}", "data.demo is 1; give true or false"),
    ("name: a/b", "is 'a/b'; use letters"),
    ("x: [", "not YAML"),
    ("gates: {mAP_drop: 0.1}\ngates: {mAP_drop: 0.5}", "gates appears twice, in lines 5 and 6"),
    ("gates: {mAP_drop: 0.1, mAP_drop: 0.5}", "mAP_drop appears twice"),
    ("x: !!python/object/apply:os.system [ls]", "not YAML"),
])
def test_a_wrong_card_says_what_is_wrong_and_where(tmp_path: Path, line: str, message: str) -> None:
    text = _CARD.replace("name: mine\n", "") if line.startswith("name:") else _CARD
    with pytest.raises(ConfigurationError, match=message):
        card.load(_write_card(tmp_path, text + line + "\n"))


def test_a_missing_card_names_those_that_are_there() -> None:
    with pytest.raises(ConfigurationError, match="one of .*ssd_mobilenet_v2_coco, ssd_mobilenet_v2_demo"):
        card.load("ssd_mobilenet_v3")


_TEXT = (SHIPPED / f"{options.DEMO_CARD}.yaml").read_text()
_DEMO = card.load(options.DEMO_CARD)


@pytest.mark.parametrize("write", [
    lambda text: text.encode("utf-8-sig"), lambda text: text.encode("utf-16"),
    lambda text: text.replace("\n", "\r\n").encode("utf-8"),
    lambda text: text.replace("height: 300", 'height: "300"').replace("images: 50", "images: 50.0").encode("utf-8"),
    lambda text: text.replace("mAP_drop: 0.02", "mAP_drop: 2e-2").encode("utf-8"),
    lambda text: text.replace("biases: false", 'biases: "False"').encode("utf-8"),
    lambda text: text.replace("biases: false", 'biases: "false"').encode("utf-8"),
], ids=["byte-order mark", "UTF-16", "CRLF", "numbers", "exponent", "False", "false"])
def test_a_model_card_is_read_as_editors_and_tables_write_it(write: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes(write(_TEXT))

    found = card.load(str(tmp_path / "card.yaml"))

    assert found.gates == _DEMO.gates
    assert (found.height, found.calibration_images, found.assumptions) == (300, 50, _DEMO.assumptions)


_LAUGHS = "\n".join(["l0: &l0 [ha, ha]", *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))])


@pytest.mark.parametrize(("text", "message"), [
    (f"{_LAUGHS}\nname: *l11\n", "its aliases expand to more than 10000 values"),
    ("a: &a [*a]\n", "its aliases expand"),
    ("name: x\nname: *l11\n", "not YAML"),
    ("input: {height: +_}\n", "not a mapping|not YAML|is missing|give a whole"), ("calibration: {images: 0x}\n", "."),
    ("name: 2019-99-99\n", "not YAML"), ("[" * 200000, "and a model card at most"),
    ("name: x\ngates: {mAP_floor: " + "9" * 400 + "}\n", "."), ("name: !!python/name:os.system\n", "not YAML"),
])
def test_yaml_that_is_no_card_is_a_short_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "card.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match=message) as caught:
        card.load(str(tmp_path / "card.yaml"))
    assert len(str(caught.value)) < 2000


def test_a_card_names_a_configuration_beside_it_and_overrides(tmp_path: Path) -> None:
    written(tmp_path, {**DEFAULT, "model_input": {}})
    (tmp_path / "mine.yaml").write_text("""
name: mine
graph: {starting_op: start, output_ops: [end]}
input: {height: 300, width: 300}
quantization:
  config: config.json
  overrides:
    "Box*": {bitwidth: 16, symmetric: true}
    "concat:0": {enabled: false}
""")

    found = card.load(str(tmp_path / "mine.yaml")).quantization

    assert found.configuration.model_input is None
    assert found.overrides == (Override("Box*", 16, True, None), Override("concat:0", None, None, False))


@pytest.mark.parametrize("said", [None, "fold", "keep"])
def test_a_card_says_what_becomes_of_batch_norms_in_plain_ops(tmp_path: Path, said: Optional[str]) -> None:
    text = (SHIPPED / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    more = f"spelled_out_batch_norms: {said}, " if said else ""
    path = tmp_path / "card.yaml"
    path.write_text(text.replace("quantization: {", f"quantization: {{{more}"), encoding="utf-8")

    assert card.load(str(path)).quantization.spelled_out_batch_norms == said
    path.write_text(text.replace("quantization: {", "quantization: {spelled_out_batch_norms: yes, "), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="spelled_out_batch_norms"):
        card.load(str(path))


def test_a_card_may_leave_images_as_they_are(tmp_path: Path) -> None:
    text = (SHIPPED / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    wanted = "input: {height: 300, width: 300}"
    (tmp_path / "card.yaml").write_text(text.replace(wanted, "input: {resize: false}"), encoding="utf-8")
    (tmp_path / "both.yaml").write_text(text.replace(wanted, "input: {resize: false, height: 300}"), encoding="utf-8")

    found = card.load(str(tmp_path / "card.yaml"))

    assert (found.height, found.width) == (0, 0)
    assert images.preprocessing(found.height, found.width) != images.PREPROCESSING
    with pytest.raises(ConfigurationError, match="input.resize is false beside height or width"):
        card.load(str(tmp_path / "both.yaml"))


def test_a_card_names_what_is_quantized_instead_and_its_encodings_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model.encodings").write_text("{}")
    text = _CARD + "quantization: {checkpoint: model.meta, KEY: model.encodings}"

    whole, params = (card.load(_write_card(tmp_path, text.replace("KEY", key)))
                     for key in ("encodings", "param_encodings"))

    assert whole.quantized_checkpoint == tmp_path / "model"
    assert whole.quantization.encodings_file == params.quantization.encodings_file == tmp_path / "model.encodings"
    assert (whole.quantization.params_only, params.quantization.params_only) == (False, True)


@pytest.mark.parametrize(("keys", "message"), [
    ("encodings: lost.encodings", "quantization.encodings.*no such file"),
    ("encodings: mine.yaml, param_encodings: mine.yaml", "quantization.param_encodings is given beside encodings"),
])
def test_encodings_that_are_not_there_or_named_twice_are_refused(tmp_path: Path, keys: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        card.load(_write_card(tmp_path, _CARD + f"quantization: {{{keys}}}"))
