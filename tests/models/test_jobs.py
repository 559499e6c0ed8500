"""Indexes of Jobs are read and written as Kubernetes does; a Job is finished when a condition says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api.batch import Job, JobCondition, JobStatus
from callboard.models.api.core import Pod
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap
from callboard.models.jobs import COMPLETION_INDEX, finished_condition, index_of, indexes_of, indexes_text, is_finished


@given(st.lists(st.integers(min_value=0, max_value=40), unique=True))
def test_indexes_come_back_from_their_text(numbers: list[int]) -> None:
    assert indexes_of(indexes_text(numbers), 41) == tuple(sorted(numbers))


def test_indexes_are_written_as_kubernetes_writes_them() -> None:
    assert [indexes_text(one) for one in ((), (4,), (1, 2), (3, 1, 2, 9))] == ["", "4", "1,2", "1-3,9"]
    assert indexes_of("0-5,8,x,7", 5) == (0, 1, 2, 3, 4)


def test_a_pod_without_an_index_below_the_completions_has_none() -> None:
    def pod(text: str) -> Pod:
        return Pod(metadata=ObjectMeta(annotations=FrozenMap({COMPLETION_INDEX: text})))

    assert [index_of(pod(text), 3) for text in ("0", "2", "3", "", "x", "-1")] == [0, 2, -1, -1, -1, -1]


def test_only_a_true_condition_finishes_a_job() -> None:
    def job(status: str, type_: str) -> Job:
        return Job(status=JobStatus(conditions=(JobCondition(type=type_, status=status),)))

    assert is_finished(job("True", "Complete"))
    assert is_finished(job("True", "Failed"))
    assert finished_condition(job("True", "Failed")).type == "Failed"  # type: ignore[union-attr]
    assert not is_finished(job("False", "Complete"))
    assert not is_finished(job("True", "SuccessCriteriaMet"))
    assert not is_finished(Job())
