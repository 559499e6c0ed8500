"""Behaviours of simulated containers: what users may write, and which image gets which."""

from __future__ import annotations

import pytest

from callboard.models.behaviour import Behaviour, ContainerRequest, ContainerResponse, Usage, behaviour_of, response_of
from callboard.models.messages.runtime import Served


def test_durations_are_seconds_or_text() -> None:
    behaviour = Behaviour(start="1m30s", ready_after=2, runs_for=0.5)
    assert (behaviour.seconds("start"), behaviour.seconds("ready_after"), behaviour.seconds("runs_for")) == (90.0, 2.0, 0.5)


@pytest.mark.parametrize("fields", [{"start": "soon"}, {"ready_after": -1}, {"runs_for": float("inf")}, {"exits": [256]}, {"exits": ["a"]}])
def test_what_can_not_be_is_refused_when_it_is_written(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields)) if fields.get("start") is None else "soon"):
        Behaviour(**fields)  # type: ignore[arg-type]


def test_lives_beyond_the_given_exits_run_on() -> None:
    behaviour = Behaviour(exits=[1, 0])
    assert [behaviour.exit_code(life) for life in range(4)] == [1, 0, None, None]


def test_an_exact_image_comes_before_the_most_specific_pattern() -> None:
    named = {pattern: Behaviour(start=number) for number, pattern in enumerate(["*", "shop/*", "shop/web:*", "shop/web:1", "plain:*"], 1)}
    images = tuple(named.items())
    wanted = {"shop/web:1": 4, "shop/web:2": 3, "shop/cart:1": 2, "other": 1, "plain": 5, "plain@sha256:1": 1, "shop/web": 3}
    assert {image: behaviour_of(image, images).start for image in wanted} == wanted
    assert behaviour_of("other", ()) == Behaviour()


def test_a_port_of_a_registry_is_no_tag() -> None:
    images = (("registry:5000/web:latest", Behaviour(start=7)),)
    assert behaviour_of("registry:5000/web", images).start == 7


def test_default_answers_name_the_pod_and_others_may_be_anything_like_an_answer() -> None:
    request = ContainerRequest("GET", "/", pod="web-1", body=b"x")
    assert Behaviour().answer(request).body == b"web-1"
    assert request.text == "x"
    assert response_of(Served(1, True, 418, (("A", "b"),), b"tea")) == ContainerResponse(418, (("A", "b"),), b"tea")
    with pytest.raises(TypeError, match="serve returned a NoneType"):
        response_of(None)


def test_usage_may_be_constant_or_a_curve() -> None:
    assert Behaviour().use_at(5) == Usage()
    assert Behaviour(usage=Usage(10, 20)).use_at(5) == Usage(10, 20)
    assert Behaviour(usage=lambda seconds: Usage(int(seconds))).use_at(5).cpu_milli == 5


def test_parts_of_a_unit_are_cut_off_and_what_nothing_can_use_is_refused() -> None:
    used = Usage(1.9, memory_bytes=2.9, volumes={"cache": 3.9})
    assert (used.cpu_milli, used.memory_bytes, used.processes, dict(used.volumes)) == (1, 2, 1, {"cache": 3})
    for wrong in ({"cpu_milli": -1}, {"memory_bytes": float("nan")}, {"processes": True}, {"volumes": {"cache": "1Mi"}}):
        with pytest.raises(ValueError, match="a container uses a number from 0 on"):
            Usage(**wrong)
    with pytest.raises(TypeError, match="usage returned a int; it should return a Usage"):
        Behaviour(usage=lambda _: 5).use_at(1)  # type: ignore[arg-type, return-value]
