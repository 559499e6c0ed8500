"""The containers of a pod or of a template, as `kubectl describe` writes them.

Source: kubectl pkg/describe/describe.go (describeContainers).
"""

from __future__ import annotations

from callboard.models.columns.network import join_host_port
from callboard.models.describe.page import NONE, Page, moment, quantities, yes
from callboard.models.look import Look
from callboard.models.quantity import to_bytes


def containers(page: Page, title: str, specs: list[Look], statuses: list[Look] | None, pod: Look, indent: str = "") -> None:
    """All containers of one sort. `statuses` is None for a template, whose lines are indented by `indent`."""
    page.line(f"{indent}{title}:" + ("" if specs else f" {NONE}"))
    by_name = {one.text("name"): one for one in statuses or []}
    for spec in specs:
        status = by_name.get(spec.text("name"))
        _basics(page, spec, status, " " if indent else "")
        for name, field in (("Command", "command"), ("Args", "args")):
            words = spec.texts(field)
            if words:
                page.line(f"{name}:", 2)
            for word in words:
                for line in word.split("\n"):
                    page.line(line, 3)
        if status is not None:
            _state(page, "State", status.below("state"))
            if status.has("lastState", "terminated"):
                _state(page, "Last State", status.below("lastState"))
            page.field("Ready", yes(status.flag("ready")), 2)
            page.field("Restart Count", status.number("restartCount"), 2)
        quantities(page, "Limits", spec.map("resources", "limits"), 2)
        quantities(page, "Requests", spec.map("resources", "requests"), 2)
        for name, field in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
            if spec.has(field):
                page.field(name, probe_text(spec.below(field)), 2)
        _env_from(page, spec)
        _env(page, spec, pod)
        _mounts(page, spec)


def _basics(page: Page, spec: Look, status: Look | None, name_indent: str) -> None:
    page.line(f"{name_indent}{spec.text('name')}:", 1)
    if status is not None:
        page.field("Container ID", status.text("containerID"), 2)
    page.field("Image", spec.text("image"), 2)
    if status is not None:
        page.field("Image ID", status.text("imageID"), 2)
    for title, field in (("Port", "containerPort"), ("Host Port", "hostPort")):
        texts = [_port(one, field) for one in spec.items("ports")]
        page.field(f"{title}s" if len(texts) > 1 else title, ", ".join(texts) or NONE, 2)


def _port(port: Look, field: str) -> str:
    text = f"{port.number(field)}/{port.text('protocol')}"
    return f"{text} ({port.text('name')})" if port.text("name") else text


def _state(page: Page, title: str, state: Look) -> None:
    if state.has("running"):
        page.field(title, "Running", 2)
        page.field("Started", moment(state, "running", "startedAt"), 3)
        return
    if not state.has("terminated") or state.has("waiting"):
        page.field(title, "Waiting", 2)
        page.fields([("Reason", state.text("waiting", "reason"))], 3)
        return
    ended = state.below("terminated")
    page.field(title, "Terminated", 2)
    page.fields([("Reason", ended.text("reason")), ("Message", ended.text("message"))], 3)
    page.field("Exit Code", ended.number("exitCode"), 3)
    page.fields([("Signal", ended.number("signal") or None)], 3)
    page.field("Started", moment(ended, "startedAt"), 3)
    page.field("Finished", moment(ended, "finishedAt"), 3)


def probe_text(probe: Look) -> str:
    """A probe in one line: what it does, and its timings (kubectl 1.36, DescribeProbe)."""
    attributes = (
        f"delay={probe.number('initialDelaySeconds')}s timeout={probe.number('timeoutSeconds')}s period={probe.number('periodSeconds')}s "
        f"#success={probe.number('successThreshold')} #failure={probe.number('failureThreshold')}"
    )
    if probe.has("exec"):
        return f"exec [{' '.join(probe.texts('exec', 'command'))}] {attributes}"
    if probe.has("httpGet"):
        get = probe.below("httpGet")
        port, path = get.text("port"), get.text("path")
        host = join_host_port(get.text("host"), port) if port else get.text("host")
        slash = "" if not path or path.startswith("/") else "/"
        return f"http-get {get.text('scheme').lower()}://{host}{slash}{path} {attributes}"
    if probe.has("tcpSocket"):
        return f"tcp-socket {probe.text('tcpSocket', 'host')}:{probe.text('tcpSocket', 'port')} {attributes}"
    if probe.has("grpc"):
        return f"grpc <pod>:{probe.number('grpc', 'port')} {probe.text('grpc', 'service')} {attributes}"
    return f"unknown {attributes}"


def _env_from(page: Page, spec: Look) -> None:
    sources = spec.items("envFrom")
    if sources:
        page.line("Environment Variables from:", 2)
    for one in sources:
        kind, field = ("ConfigMap", "configMapRef") if one.has("configMapRef") else ("Secret", "secretRef")
        prefix = f" with prefix '{one.text('prefix')}'" if one.text("prefix") else ""
        optional = str(one.flag(field, "optional")).lower()
        page.line(f"{one.text(field, 'name')}\t{kind}{prefix}\tOptional: {optional}", 3)


def _env(page: Page, spec: Look, pod: Look) -> None:
    entries = spec.items("env")
    page.line("Environment:" + ("" if entries else f"\t{NONE}"), 2)
    for one in entries:
        first, *rest = _env_value(one, spec, pod).split("\n")
        page.field(one.text("name"), first, 3)
        for line in rest:
            page.line(f"\t{line}", 3)


def _env_value(entry: Look, spec: Look, pod: Look) -> str:
    """The value as it is written, or in words where it comes from; never what a Secret or ConfigMap holds."""
    source = entry.below("valueFrom")
    if source.has("fieldRef"):
        path = source.text("fieldRef", "fieldPath")
        return f"{_field_of(pod, path)} ({source.text('fieldRef', 'apiVersion', default='v1')}:{path})"
    if source.has("resourceFieldRef"):
        resource = source.text("resourceFieldRef", "resource")
        return f"{_resource_of(spec, resource)} ({resource})"
    for field, words in (("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")):
        if source.has(field):
            key, name, optional = source.text(field, "key"), source.text(field, "name"), str(source.flag(field, "optional")).lower()
            return f"<set to the key '{key}' {words} '{name}'>\tOptional: {optional}"
    return entry.text("value")


def _field_of(pod: Look, path: str) -> str:
    """What a field of the pod says; "" where it says nothing, or for a template."""
    name, bracket, key = path.partition("['")
    if bracket:
        return str(pod.map(*name.split(".")).get(key.removesuffix("']"), ""))
    if path == "spec.serviceAccountName":
        return pod.text("spec", "serviceAccountName")
    return pod.text(*path.split("."))


def _resource_of(spec: Look, resource: str) -> str:
    """The container's own limit or request in whole cores or bytes, rounded up; a limit that isn't set is what the node can give."""
    part, _, name = resource.partition(".")
    value = spec.map("resources", part).get(name)
    if value is None:
        return "node allocatable" if resource in ("limits.cpu", "limits.memory") else "0"
    try:
        return str(to_bytes(value))
    except (ValueError, TypeError):
        return ""


def _mounts(page: Page, spec: Look) -> None:
    mounts = sorted(spec.items("volumeMounts"), key=lambda one: one.text("mountPath"))
    page.line("Mounts:" + ("" if mounts else f"\t{NONE}"), 2)
    for one in mounts:
        sub_path = f',path="{one.text("subPath")}"' if one.text("subPath") else ""
        mode = "ro" if one.flag("readOnly") else "rw"
        page.line(f"{one.text('mountPath')} from {one.text('name')} ({mode}{sub_path})", 3)
    devices = sorted(spec.items("volumeDevices"), key=lambda one: one.text("devicePath"))
    if devices:
        page.line("Devices:", 2)
    for one in devices:
        page.line(f"{one.text('devicePath')} from {one.text('name')}", 3)
