"""A canary in every place where a Secret's content may go, and a look at all that is told of it: Events, logs, traces, errors, objects."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from callboard import Behaviour, Cluster, Simulation
from callboard.models.behaviour import ContainerCommand
from callboard.models.errors import ApiError
from callboard.runtime.face.verbs import Verbs
from callboard.runtime.process.launch import state_folder, stop_durable

CANARY = "kanarienvogel-7Zq"
STORED = base64.b64encode(CANARY.encode()).decode()
FORMS = (CANARY, STORED, STORED.rstrip("="), CANARY.encode().hex())
MANIFEST = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"word": CANARY}}
ENV = [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "key", "key": "word"}}}]


def spilled(text: str) -> list[str]:
    """The forms of the canary in a text."""
    return [form for form in FORMS if form in text]


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, **fields}


BAD_SECRETS = {
    "no base64": secret(data={"word": CANARY}),
    "no text": secret(data={"word": [CANARY]}),
    "a number": secret(data={"word": 7}, stringData={"word": CANARY}),
    "text that is no text": secret(stringData={"word": {"deep": CANARY}}),
    "data that is no map": secret(data=CANARY),
    "a bad key": secret(stringData={"a b": CANARY}),
    "too large": secret(stringData={"word": CANARY * 70_000}),
    "a field that there is not": secret(strungData={"word": CANARY}, stringData={"word": CANARY}),
    "what its type needs is missing": secret(type="kubernetes.io/tls", stringData={"tls.key": CANARY}),
    "a bad name": {**secret(stringData={"word": CANARY}), "metadata": {"name": "A B"}},
    "no namespace": {**secret(stringData={"word": CANARY}), "metadata": {"name": "other", "namespace": "nowhere"}},
}
BAD_PATCHES: dict[str, tuple[str, Any]] = {
    "a test that fails": ("json", [{"op": "test", "path": "/data/word", "value": "x"}, {"op": "remove", "path": "/data"}]),
    "a test for what it is": ("json", [{"op": "test", "path": "/data/word", "value": CANARY}]),
    "a place that is not": ("json", [{"op": "add", "path": "/data/word/deeper", "value": CANARY}]),
    "no base64": ("merge", {"data": {"word": CANARY}}),
    "another type": ("merge", {"type": "kubernetes.io/tls", "data": {"word": STORED}}),
    "a wrong type": ("strategic", {"data": [CANARY]}),
}


def provoke(verbs: Verbs, say: list[str]) -> None:
    """All that the API refuses about Secrets; what it says is added."""
    for case, manifest in BAD_SECRETS.items():
        say.append(f"{case}: {[one.error for one in verbs.apply_each(manifest)]}")
        in_place = {**manifest, "metadata": MANIFEST["metadata"]}
        for one in (manifest, in_place):
            try:
                verbs.apply(one)
            except ApiError as problem:
                say += [f"{case}: {problem}", f"{case}: {problem!r}", f"{case}: {problem.__cause__!r}"]
    for case, (kind, patch) in BAD_PATCHES.items():
        try:
            verbs.patch("secret/key", patch, type=kind)  # type: ignore[arg-type]
        except ApiError as problem:
            say += [f"{case}: {problem}", f"{case}: {problem.__cause__!r}"]
    frozen = {**MANIFEST, "metadata": {"name": "frozen"}, "immutable": True}
    verbs.apply(frozen)
    with pytest.raises(ApiError, match="field is immutable when `immutable` is set") as refused:
        verbs.apply({**frozen, "stringData": {"word": CANARY + "!"}})
    say.append(str(refused.value))
    verbs.apply(MANIFEST)


def pods(program: str) -> Iterator[dict[str, Any]]:
    """Pods that do with a Secret what goes wrong: as a program, an argument, a path, in probes and hooks, in keys that aren't there."""

    def one(name: str, volumes: Any = (), **container: Any) -> dict[str, Any]:
        body = {"name": "main", "image": "busybox", "command": [program, "1000"], "env": ENV, **container}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [body], "volumes": list(volumes)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    loud = {"exec": {"command": ["sh", "-c", "echo $WORD; echo $WORD >&2; exit 1"]}}
    mount = [{"name": "it", "mountPath": "/etc/it"}]
    yield one("program", command=["$(WORD)"])
    yield one("path", command=["/usr/bin/$(WORD)"])
    yield one("workdir", workingDir="/etc/passwd", command=["sh", "-c", "$(WORD)"])
    yield one("probed", readinessProbe={**loud, "periodSeconds": 1}, livenessProbe={**loud, "periodSeconds": 1})
    yield one("hooked", lifecycle={"postStart": loud})
    yield one("no-key", env=[*ENV, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key", "key": "absent"}}}])
    yield one("all-keys", envFrom=[{"secretRef": {"name": "key"}}], env=[])
    yield one("volume", [{"name": "it", "secret": {"secretName": "key"}}], volumeMounts=mount)
    yield one("no-item", [{"name": "it", "secret": {"secretName": "key", "items": [{"key": "absent", "path": "a"}]}}], volumeMounts=mount)
    below = [{"name": "it", "mountPath": "/etc/it", "subPathExpr": "$(UP)"}]
    up = [*ENV, {"name": "UP", "value": "$(WORD)/../../$(WORD)"}]
    yield one("sub-path", [{"name": "it", "emptyDir": {}}], volumeMounts=below, env=up)
    yield one("sub-file", [{"name": "it", "emptyDir": {}}], volumeMounts=[{**below[0], "subPathExpr": "$(WORD)/$(WORD)"}])
    yield one("image", image="no/such", command=[])


def told(verbs: Verbs, names: list[str]) -> list[str]:
    """All that may be read of pods, Events and the Secret by those who should not learn its content."""
    say = [json.dumps([repr(event) for event in verbs.events()]), verbs.events_text(), verbs.describe("secret/key")]
    say += [verbs.describe(f"pod/{name}") for name in names]
    say += [repr(one) for one in verbs.list("pods")] + [repr(one) for one in verbs.list("events")]
    return say


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """All log lines, at every level."""
    with structlog.testing.capture_logs() as caught:
        structlog.configure(processors=structlog.get_config()["processors"])
        yield caught
    structlog.reset_defaults()


@pytest.mark.parametrize("isolation", ["C0", "auto"])
def test_a_canary_in_a_cluster_of_real_processes_is_seen_nowhere(
    lines: list[Any], capfd: pytest.CaptureFixture[str], tmp_path: Path, isolation: str
) -> None:
    say: list[str] = []
    try:
        with Cluster(nodes=1, containers="process", isolation=isolation, timing="fast", events="all", data=tmp_path) as c:
            c.apply(MANIFEST)
            provoke(c, say)
            names = []
            for pod in pods("sleep"):
                c.apply(pod)
                names.append(pod["metadata"]["name"])
            c.wait("pod/volume", "Ready", timeout="30s")
            for reason, text in SAID.items():
                _until(c, reason, text)
            c.apply({**MANIFEST, "stringData": {"word": CANARY, "more": "x"}})
            say += told(c, names)
            say += [log.read_text(errors="replace") for log in state_folder(tmp_path).glob("*.log")]
    finally:
        stop_durable(state_folder(tmp_path))
    assert any("Readiness probe failed: <redacted>" in text for text in say), "somebody wanted to tell"
    assert any("'<redacted>'" in text for text in say), "the program that there is not"
    _look(say, lines, capfd)


SAID = {"Unhealthy": "Readiness probe failed: <redacted>", "FailedPostStartHook": "", "FailedMount": "", "Failed": "'<redacted>'"}
"""Events that are waited for, by reason, with a part of their words: on a busy machine others of the same reason come first."""


def _until(verbs: Verbs, reason: str, text: str) -> None:
    deadline_s = time.monotonic() + 60
    while not any(event.reason == reason and text in event.message for event in verbs.events()):
        assert time.monotonic() < deadline_s, f"nobody told of {reason} with {text!r}"
        time.sleep(0.05)


def _look(say: list[str], lines: list[Any], capfd: pytest.CaptureFixture[str]) -> None:
    written = capfd.readouterr()
    say += [repr(line) for line in lines] + [written.out, written.err]
    found = {form: text for text in say for form in spilled(text)}
    assert not found, {form: text[max(text.index(form) - 300, 0) : text.index(form) + 100] for form, text in found.items()}
    assert len(say) > 40, "there was something to look at"


def spilling(command: ContainerCommand) -> Any:
    return 1, command.env["WORD"]


def test_a_canary_in_a_simulation_is_seen_nowhere(lines: list[Any], capfd: pytest.CaptureFixture[str]) -> None:
    say: list[str] = []

    def broken(request: Any) -> Any:
        raise RuntimeError("it broke")

    with Simulation(nodes=2, seed=3, images={"*": Behaviour(exec=spilling, serve=broken)}, events="all") as s:
        s.apply(MANIFEST)
        provoke(s, say)
        names = []
        for pod in pods("sleep"):
            s.apply(pod)
            names.append(pod["metadata"]["name"])
        s.advance("30s")
        s.apply({**MANIFEST, "stringData": {"word": CANARY, "more": "x"}})
        s.advance("100s")
        say += told(s, names)
        records = [*s._system.trace.recent, *s._system.trace.batch]
        assert any("Secret" in record[3] or "secrets" in record[4] for record in records)
        say += [repr(record) for record in records]
    _look(say, lines, capfd)


def test_a_component_that_fails_with_a_secret_in_its_hands_tells_nothing_of_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback is logged, without the variables of its frames."""
    from callboard.actors.kubelet.actor import Kubelet

    failed: list[Any] = []

    def failing(self: Any, key: str, answer: Any) -> None:
        if key.endswith("/key") and not failed:
            failed.append(answer)
            raise RuntimeError(f"what can't be done with {key}")
        original(self, key, answer)

    original = Kubelet.config_answered
    monkeypatch.setattr(Kubelet, "config_answered", failing)
    with Cluster(nodes=1, timing="fast") as c:
        c.apply(MANIFEST)
        c.apply(next(pod for pod in pods("sleep") if pod["metadata"]["name"] == "volume"))
        c.wait("pod/volume", "Ready", timeout="60s")
    assert failed
    said = capfd.readouterr().err
    assert "what can't be done with secrets/default/key" in said
    assert "Traceback" in said
    assert not spilled(said)


def test_the_canary_is_found_where_it_is() -> None:
    assert spilled(f"x{CANARY}x") == [CANARY]
    assert STORED in spilled(repr(STORED))
    assert not spilled(sys.version)
