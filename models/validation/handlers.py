"""Probes and lifecycle handlers. Source: validateProbe and validateHandler in kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors, check_not_negative

_SCHEMES = ("HTTP", "HTTPS")


def check_probe(probe: Probe, path: str, errors: Errors, *, kind: str) -> None:
    """A probe; `kind` is `liveness`, `readiness` or `startup`."""
    _check_one_of((("exec", probe.exec), ("httpGet", probe.http_get), ("tcpSocket", probe.tcp_socket), ("grpc", probe.grpc)), path, errors)
    if probe.exec is not None and not probe.exec.command:
        errors.append(words.required(f"{path}.exec.command"))
    if probe.http_get is not None:
        _check_http(probe.http_get, f"{path}.httpGet", errors)
    if probe.tcp_socket is not None:
        check_port(probe.tcp_socket.port, f"{path}.tcpSocket.port", errors)
    if probe.grpc is not None:
        check_port(probe.grpc.port, f"{path}.grpc.port", errors)
    _check_times(probe, path, errors)
    if probe.success_threshold not in (None, 0, 1) and kind != "readiness":
        errors.append(words.invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1"))
    grace = probe.termination_grace_period_seconds
    if grace is not None and kind == "readiness":
        errors.append(words.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes"))
    elif grace is not None and grace <= 0:
        errors.append(words.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))


def _check_times(probe: Probe, path: str, errors: Errors) -> None:
    check_not_negative(probe.initial_delay_seconds, f"{path}.initialDelaySeconds", errors)
    check_not_negative(probe.timeout_seconds, f"{path}.timeoutSeconds", errors)
    check_not_negative(probe.period_seconds, f"{path}.periodSeconds", errors)
    check_not_negative(probe.success_threshold, f"{path}.successThreshold", errors)
    check_not_negative(probe.failure_threshold, f"{path}.failureThreshold", errors)


def check_lifecycle(lifecycle: Lifecycle, path: str, grace_s: int, errors: Errors) -> None:
    """The hooks of a container, whose pod has this grace period."""
    if lifecycle.post_start is not None:
        _check_hook(lifecycle.post_start, f"{path}.postStart", grace_s, errors)
    if lifecycle.pre_stop is not None:
        _check_hook(lifecycle.pre_stop, f"{path}.preStop", grace_s, errors)


def _check_hook(hook: LifecycleHandler, path: str, grace_s: int, errors: Errors) -> None:
    _check_one_of((("exec", hook.exec), ("httpGet", hook.http_get), ("tcpSocket", hook.tcp_socket), ("sleep", hook.sleep)), path, errors)
    if hook.exec is not None and not hook.exec.command:
        errors.append(words.required(f"{path}.exec.command"))
    if hook.http_get is not None:
        _check_http(hook.http_get, f"{path}.httpGet", errors)
    if hook.tcp_socket is not None:
        check_port(hook.tcp_socket.port, f"{path}.tcpSocket.port", errors)
    if hook.sleep is not None:
        seconds = hook.sleep.seconds or 0
        if not 0 <= seconds <= grace_s:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            errors.append(words.invalid(f"{path}.sleep.seconds", seconds, detail))


def _check_one_of(handlers: tuple[tuple[str, Any], ...], path: str, errors: Errors) -> None:
    given = [name for name, value in handlers if value is not None]
    if not given:
        errors.append(words.required(path, "must specify a handler type"))
    errors.extend(words.forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in given[1:])


def _check_http(action: HTTPGetAction, path: str, errors: Errors) -> None:
    if not action.path:
        errors.append(words.required(f"{path}.path"))
    check_port(action.port, f"{path}.port", errors)
    if action.scheme not in _SCHEMES:
        errors.append(words.unsupported(f"{path}.scheme", action.scheme, _SCHEMES))
    for index, header in enumerate(action.http_headers):
        errors.extend(words.invalid(f"{path}.httpHeaders[{index}]", header.name, one) for one in formats.header_name(header.name))


def check_port(port: int | str | None, path: str, errors: Errors) -> None:
    """A port by its number or name."""
    if isinstance(port, int):
        errors.extend(words.invalid(path, port, one) for one in formats.port_number(port))
    elif isinstance(port, str):
        errors.extend(words.invalid(path, port, one) for one in formats.port_name(port))
    else:
        errors.append(words.invalid(path, 0, words.in_range(1, 65535)))
