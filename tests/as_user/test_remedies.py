"""What a message says to do works: it is done, and the next run is one."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import pytest

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.judging import baseline
from quant_accuracy.quantization import configuration
from quant_accuracy.reporting.document import read_report
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card_files import SHIPPED

_TEXT = (SHIPPED / f"{options.DEMO_CARD}.yaml").read_text()
_SECTIONS: Dict[str, Any] = {"defaults": {"ops": {}, "params": {}}, "params": {}, "op_type": {}, "supergroups": [],
                             "model_input": {}, "model_output": {}}


class Broken(NamedTuple):
    """An input that is broken, what is said of it, and what it says to do.

    Attributes:
        name: Of the file.
        content: What stands in it.
        use: Reads it.
        message: What is said.
        remedied: What stands in it when that has been done; None where the file is deleted.
    """

    name: str
    content: str
    use: Callable[[Path], Any]
    message: str
    remedied: Any


def _card(path: Path) -> card.ModelCard:
    return card.load(str(path))


def _config(**changes: Any) -> str:
    return json.dumps({name: value for name, value in {**_SECTIONS, **changes}.items() if value is not None})


def _baseline(path: Path) -> Any:
    return baseline.read(path.parent, _HOW)


def _quantizers(path: Path) -> Any:
    return baseline.read_quantizers(path.parent, _HOW)


_HOW = "`./run pytest --model 'my card.yaml' --update-baselines`"
_AGAIN = f"restore it, or delete it and create it with {_HOW}, review it"


@pytest.mark.parametrize("broken", [
    Broken("card.yaml", f"{_TEXT}\ncalibrationn: {{images: 5}}\n", _card, "calibrationn is unknown; did you mean "
           "'calibration'? Else remove it", _TEXT),
    Broken("card.yaml", f"{_TEXT}\nzzz: 5\n", _card, "zzz is unknown; remove it; known here: base, name, gr", _TEXT),
    Broken("card.yaml", f"{_TEXT}\nx: [1, 2\n", _card, "card.yaml: not YAML (line ", _TEXT),
    Broken("card.yaml", _TEXT.replace("height: 300", "height: 300.5"), _card, "height is 300.5; give a whole number",
           _TEXT),
    Broken("config.json", _config(op_type={"Gather": {}}), configuration.load, "op_type.Gather is unknown; remove it; "
           "known here: Conv, BatchN", _config()),
    Broken("config.json", _config(hw_version="V66"), configuration.load, "hw_version is unknown; remove it; known "
           "here: defaults,", _config()),
    Broken("config.json", _config(supergroups=[{"op_list": ["Conv", "ReLU"]}]), configuration.load,
           "did you mean 'Relu'? Else remove the group", _config(supergroups=[{"op_list": ["Conv", "Relu"]}])),
    # It is another function than what its name resembles.
    Broken("config.json", _config(supergroups=[{"op_list": ["Conv", "Elu"]}, {"op_list": ["Add", "Sigmoid"]}]),
           configuration.load, "remove the group", _config()),
    Broken("config.json", _config(model_output=None), configuration.load, "model_output is missing; add it", _config()),
    Broken("config.json", _config()[:-2], configuration.load, "config.json: not readable as JSON (", _config()),
    Broken("figures.json", "{", _baseline, _AGAIN, None),
    Broken("figures.json", json.dumps({"schema_version": 99}), _baseline, "schema_version is 99, not 2; delete it and "
           "create it with `./run pytest --model 'my card.yaml'", None),
    Broken("quantizers.json", "[{}]", _quantizers, _AGAIN, None),
    Broken("quantizers.json", "{}", _quantizers, "is not a list of quantizers; restore it, or delete it", None),
    Broken("report.html", "<html>", read_report.read_run, "report.html: cannot be read (Expecting value: line 1 "
           "column 1 (char 0)); name the report.json beside it", "another"),
])
def test_doing_what_the_message_says_makes_the_next_run_work(broken: Broken, tmp_path: Path) -> None:
    path = tmp_path / broken.name
    path.write_text(broken.content)

    with pytest.raises(QuantAccuracyError) as caught:
        broken.use(path)

    said = str(caught.value)
    assert said.startswith(str(path))
    assert broken.message in said
    assert len(said.splitlines()) == 1
    if broken.remedied is None:
        path.unlink()
        assert broken.use(path) is None
    elif broken.remedied != "another":
        path.write_text(broken.remedied)
        broken.use(path)
