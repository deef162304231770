"""Fields of a text of protobuf, by their place."""

from quant_accuracy.preparation import text_fields


def test_fields_are_found_by_their_place_and_taken_out_without_moving_others() -> None:
    text = 'a { b: "}" \'{\' # c {\n d: [ { e: 1 }, { f: 2 } ] g < h: -1.5e-3 > } i: 1'

    found = {".".join(field.path): text[field.start:field.end] for field in text_fields.fields(text)}

    assert found["a.b"] == 'b: "}" \'{\''
    assert found["a.d"] == "d: [ { e: 1 }, { f: 2 } ]"
    assert found["a.g.h"] == "h: -1.5e-3"
    assert found["i"] == "i: 1"
    field = text_fields.at(text, 2, 2)
    assert field is not None
    assert field.path == ("a", "d")
    left = text_fields.without(text, field)
    assert len(left) == len(text)
    assert "e: 1" not in left
    assert "h: -1.5e-3" in left
