"""What integer kernels cannot express is refused, by the name of the setting."""

from pathlib import Path
from typing import Any

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import TFLITE
from quant_accuracy.device import contract
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Override, Settings
from tests.support import integer_networks


@pytest.mark.parametrize(("settings", "said"), [
    (Settings(param_bitwidth=4), r"Const:0 has 4 bits, .*param_bitwidth \(--default-param-bw\)"),
    (Settings(output_bitwidth=16), r"a/Relu6:0 has 16 bits, .*output_bitwidth \(--default-output-bw\)"),
    (Settings(overrides=(Override("added:0", bitwidth=16),)), "added:0 has 16 bits, .*overrides"),
    (Settings(configuration=Configuration(per_channel=True)), "Const:0 .*per_channel_quantization"),
])
def test_what_tflite_cannot_express_is_refused_with_the_setting(settings: Settings, said: str, tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, settings=settings)

    with pytest.raises(ConfigurationError, match=f"--device tflite: {said}"):
        contract.of(TFLITE).check(job.quantization)


def test_plain_eight_bits_are_taken(branches: Any) -> None:
    contract.of(TFLITE).check(branches.quantization)
