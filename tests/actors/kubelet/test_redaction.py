"""What is in a pod's Secrets is in nothing that its kubelet tells."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard import Behaviour
from callboard.actors.kubelet.redaction import REDACTED, SHORTEST, redacted, secrets_in
from callboard.models.api.core import EnvVar, EnvVarSource, ExecAction, Probe, SecretKeySelector
from callboard.models.behaviour import ContainerCommand
from tests.actors.kubelet.kit import World, config_map, container, pod, secret

WORD = "open sesame"


def stored(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text", [WORD, f"  {WORD}\n", f"user: ali\n{WORD}\n", stored(WORD)], ids=["plain", "with blanks", "with other lines", "as it is stored"]
)
def test_a_secret_is_told_in_no_form(text: str) -> None:
    hidden = secrets_in([secret("key", word=stored(WORD), other=stored(text)), None])
    told = redacted(f"cannot start {text!r}: no {WORD} and no {stored(WORD)}", hidden)
    assert WORD not in told
    assert stored(WORD) not in told
    assert REDACTED in told


def test_what_is_in_config_maps_and_what_is_too_short_to_mean_anything_is_told() -> None:
    assert secrets_in([config_map("page", text=WORD), secret("key", a=stored("ab"), b="=")]) == (stored("ab"),)


@given(st.lists(st.text("abc \n", min_size=SHORTEST, max_size=12), min_size=1, max_size=5), st.text("abc", max_size=3))
def test_no_secret_is_left_in_a_text_that_is_made_of_secrets(values: list[str], between: str) -> None:
    hidden = secrets_in([secret("key", **{f"k{number}": stored(value) for number, value in enumerate(values)})])
    told = redacted(between.join(values), hidden)
    assert not any(value.strip() in told for value in values if len(value.strip()) >= SHORTEST)


def spilling(command: ContainerCommand) -> Any:
    return 1, f"the word is {command.env['WORD']}"


@pytest.mark.parametrize("purpose", ["readiness_probe", "liveness_probe", "startup_probe"])
def test_a_probe_that_prints_a_secret_is_told_without_it(purpose: str) -> None:
    world = World(images={"*": Behaviour(exec=spilling)})
    world.create(secret("key", word=stored(WORD)), "secrets")
    reference = EnvVarSource(secret_key_ref=SecretKeySelector(name="key", key="word"))
    probe = Probe(exec=ExecAction(command=("show",)), period_seconds=1, timeout_seconds=1, failure_threshold=2)
    world.create(pod("web", container(env=(EnvVar(name="WORD", value_from=reference),), **{purpose: probe})))  # type: ignore[arg-type]
    world.run(10)
    told = [one.message for one in world.events("Unhealthy")]
    assert told
    assert all(f"the word is {REDACTED}" in one and WORD not in one for one in told)
