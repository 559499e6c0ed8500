"""A child's name stands for its index, never collides within an owner, and is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api.core import Container, PodSpec, PodTemplateSpec
from callboard.models.base import FrozenMap, replace
from callboard.models.names import ALPHABET, SUFFIXES, child_index, child_suffix, template_hash

UIDS = st.uuids().map(str)


@given(UIDS, st.integers(0, SUFFIXES - 1))
def test_a_suffix_can_be_read_back(uid: str, index: int) -> None:
    suffix = child_suffix(uid, index)
    assert len(suffix) == 5
    assert all(letter in ALPHABET for letter in suffix)
    assert child_index(uid, suffix) == index


@given(UIDS)
def test_no_two_of_an_owners_children_share_a_name(uid: str) -> None:
    assert len({child_suffix(uid, index) for index in range(500)}) == 500


def test_twenty_thousand_children_share_no_name() -> None:
    assert len({child_suffix("owner", index) for index in range(20_000)}) == 20_000


def test_owners_name_their_children_differently() -> None:
    assert [child_suffix("one", index) for index in range(5)] != [child_suffix("two", index) for index in range(5)]


@pytest.mark.parametrize("index", [-1, SUFFIXES])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="a child's index lies between 0"):
        child_suffix("owner", index)


@pytest.mark.parametrize("suffix", ["", "abcde", "bcdf", "bcdfgh", "BCDFG"])
def test_a_name_of_somebody_elses_making_has_no_index(suffix: str) -> None:
    assert child_index("owner", suffix) == -1


def test_a_template_is_known_by_its_content_only() -> None:
    template = PodTemplateSpec(spec=PodSpec(containers=(Container(name="a", image="x"),), node_selector=FrozenMap(a="1", b="2")))
    assert template.spec is not None
    same = replace(template, spec=replace(template.spec, node_selector=FrozenMap(b="2", a="1")))
    other = replace(template, spec=replace(template.spec, containers=(Container(name="a", image="y"),)))
    assert template_hash(template) == template_hash(same) != template_hash(other)
    assert len(template_hash(template)) == 10


def test_names_are_the_same_in_every_process() -> None:
    code = (
        "from callboard.models.names import *; from callboard.models.api.core import PodTemplateSpec; "
        "print(child_suffix('owner', 7), template_hash(PodTemplateSpec()))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for seed in ("0", "1")
    }
    assert len(runs) == 1
