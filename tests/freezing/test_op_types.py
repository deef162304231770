"""Ops that are harmless, and ops that reach outside."""

import re
from typing import Any, Dict

from quant_accuracy.freezing import op_types
from quant_accuracy.graph import dtypes


def test_no_op_is_both_harmless_and_reaching_outside() -> None:
    assert not [op for op in op_types.HARMLESS | op_types.ASSIGNING | op_types.RESTORING if op_types.outside(op)]


def test_every_harmless_op_takes_no_function_and_no_handle_of_something_outside() -> None:
    known: Dict[str, Any] = {op: dtypes.definition_of(op) for op in op_types.HARMLESS}
    assert [op for op, definition in known.items() if definition is None] == []
    functions = [op for op in op_types.HARMLESS for attr in known[op].attr if attr.type in ("func", "list(func)")]
    files = [op for op in op_types.HARMLESS for given in (*known[op].input_arg, *known[op].attr)
             if re.search("file|path|address|host", given.name)]

    assert not functions
    assert not files
