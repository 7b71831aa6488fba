"""ONNX names become identifiers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.emit.names import identifier, unique_names


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("/conv1/Conv_output_0", "conv1_Conv_output_0"),
        ("global_in", "global_in"),
        ("0", "n0"),
        ("int", "v_int"),
        ("logic", "v_logic"),
        ("ap_int", "v_ap_int"),
        ("hls", "v_hls"),
        ("INLINE", "v_INLINE"),
        ("a__b", "a_b"),
        ("", "value"),
        ("Größe:0", "Gr_e_0"),
    ],
)
def test_readable(name: str, want: str) -> None:
    assert identifier(name) == want


@given(st.lists(st.text()))
def test_unique_in_any_case(names: list[str]) -> None:
    found = unique_names(names, taken=["value"])
    assert set(found) == set(names)
    lowered = [v.lower() for v in found.values()]
    assert len(set(lowered)) == len(lowered)
    assert "value" not in lowered
    for v in found.values():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", v)
        assert "__" not in v


def test_names_that_differ_in_case_only() -> None:
    assert unique_names(["Add", "add", "ADD", "add_2"]) == {
        "Add": "Add", "add": "add_2", "ADD": "ADD_3", "add_2": "add_2_2",
    }  # fmt: skip
