"""What a kubelet tells of a container that could not be started."""

from __future__ import annotations

import pytest

from callboard.actors.kubelet.refusals import told_of


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        (
            "ErrImagePull",
            "not found",
            [
                ("Warning", "Failed", 'Failed to pull image "web:1": not found'),
                ("Warning", "Failed", "Error: ErrImagePull"),
                ("Normal", "BackOff", 'Back-off pulling image "web:1"'),
                ("Warning", "Failed", "Error: ImagePullBackOff"),
            ],
        ),
        (
            "ErrImageNeverPull",
            'Container image "web:1" is not present with pull policy of Never',
            [
                ("Warning", "ErrImageNeverPull", 'Container image "web:1" is not present with pull policy of Never'),
                ("Warning", "Failed", "Error: ErrImageNeverPull"),
            ],
        ),
        (
            "InvalidImageName",
            "couldn't parse",
            [("Warning", "InspectFailed", "couldn't parse"), ("Warning", "Failed", "Error: InvalidImageName")],
        ),
        ("CreateContainerError", "no such file", [("Warning", "Failed", "Error: no such file")]),
    ],
)
def test_a_refused_start_is_told_as_a_kubelet_tells_it(reason: str, message: str, expected: list[tuple[str, str, str]]) -> None:
    assert list(told_of("web:1", reason, message)) == expected
