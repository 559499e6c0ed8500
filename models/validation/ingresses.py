"""Ingresses and their classes, which are kept as trees. Source of rules and words: kubernetes pkg/apis/networking/validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.models.base import thaw
from callboard.models.generic import GenericObject
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors

Tree = Mapping[str, Any]

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
SUFFIXES = ("/..", "/.")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER_BYTES = 250
_ABSOLUTE = "must be an absolute path"


def check_ingress(obj: GenericObject, old: GenericObject | None, errors: Errors) -> None:
    """What is wrong with an Ingress."""
    spec = obj.content.get("spec") or {}
    annotated = obj.metadata.annotations.get(CLASS_ANNOTATION, "")
    named = spec.get("ingressClassName")
    if old is None and annotated and named is not None:
        path = f"metadata.annotations.{CLASS_ANNOTATION}"
        errors.append(words.invalid(path, annotated, "can not be set when the class field is also set"))
    rules = spec.get("rules") or ()
    if not rules and not spec.get("defaultBackend"):
        errors.append(words.invalid("spec", thaw(rules), "either `defaultBackend` or `rules` must be specified"))
    if spec.get("defaultBackend"):
        _check_backend(spec["defaultBackend"], "spec.defaultBackend", errors)
    for number, rule in enumerate(rules):
        _check_rule(rule, f"spec.rules[{number}]", errors)
    for number, entry in enumerate(spec.get("tls") or ()):
        path = f"spec.tls[{number}]"
        for position, host in enumerate(entry.get("hosts") or ()):
            _check_host(host, f"{path}.hosts[{position}]", errors)
        if entry.get("secretName"):
            errors.extend(words.invalid(f"{path}.secretName", entry["secretName"], one) for one in formats.subdomain(entry["secretName"]))
    if named is not None:
        errors.extend(words.invalid("spec.ingressClassName", named, one) for one in formats.subdomain(named))


def check_ingress_class(obj: GenericObject, old: GenericObject | None, errors: Errors) -> None:
    """What is wrong with an IngressClass; whose it is can't be changed."""
    path = "spec.controller"
    controller = (obj.content.get("spec") or {}).get("controller") or ""
    before = controller if old is None else (old.content.get("spec") or {}).get("controller") or ""
    if controller != before:
        errors.append(words.invalid(path, controller, words.IMMUTABLE))
    domain, slash, rest = controller.partition("/")
    if not controller:
        errors.append(words.required(path))
    elif not slash or not domain or not rest:
        errors.append(words.invalid(path, controller, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        errors.extend(words.invalid(path, controller, one) for one in formats.subdomain(domain))
    if len(controller.encode()) > CONTROLLER_BYTES:
        errors.append(words.too_long(path, CONTROLLER_BYTES))


def _check_rule(rule: Tree, path: str, errors: Errors) -> None:
    if rule.get("host"):
        _check_host(rule["host"], f"{path}.host", errors)
    http = rule.get("http")
    if http is None:
        return
    paths = http.get("paths") or ()
    if not paths:
        errors.append(words.required(f"{path}.http.paths"))
    for number, one in enumerate(paths):
        _check_path(one, f"{path}.http.paths[{number}]", errors)


def _check_host(host: str, path: str, errors: Errors) -> None:
    if formats.address(host) is not None:
        errors.append(words.invalid(path, host, "must be a DNS name, not an IP address"))
    elif "*" in host:
        problems = () if host.startswith("*.") and not formats.subdomain(host[2:]) else (_WILDCARD,)
        errors.extend(words.invalid(path, host, one) for one in problems)
    else:
        errors.extend(words.invalid(path, host, one) for one in formats.subdomain(host))


_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric "
    "characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is "
    "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def _check_path(one: Tree, path: str, errors: Errors) -> None:
    kind, text = one.get("pathType"), one.get("path") or ""
    if kind is None:
        errors.append(words.required(f"{path}.pathType", "pathType must be specified"))
    elif kind not in PATH_TYPES:
        errors.append(words.unsupported(f"{path}.pathType", kind, PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            errors.append(words.invalid(f"{path}.path", text, _ABSOLUTE))
    else:
        if not text.startswith("/"):
            errors.append(words.invalid(f"{path}.path", text, _ABSOLUTE))
        errors.extend(words.invalid(f"{path}.path", text, f"must not contain '{bad}'") for bad in SEQUENCES if bad in text)
        errors.extend(words.invalid(f"{path}.path", text, f"cannot end with '{bad}'") for bad in SUFFIXES if text.endswith(bad))
    if one.get("backend") is not None:  # a missing one is told by the schema
        _check_backend(one["backend"], f"{path}.backend", errors)


def _check_backend(backend: Tree, path: str, errors: Errors) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        errors.append(words.invalid(path, "", "cannot set both resource and service backends"))
        return
    if service is None:
        if resource is None:
            errors.append(words.required(path, "resource or service backend is required"))
        return
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        errors.append(words.required(f"{path}.service.name"))
    else:
        errors.extend(words.invalid(f"{path}.service.name", name, one) for one in formats.label_1035(name))
    place = f"{path}.service.port"
    port_name, number = port.get("name") or "", port.get("number") or 0
    if port_name and number:
        errors.append(words.invalid(place, "", "cannot set both port name & port number"))
    elif port_name:
        errors.extend(words.invalid(f"{place}.name", port_name, one) for one in formats.port_name(port_name))
    elif number:
        errors.extend(words.invalid(f"{place}.number", number, one) for one in formats.port_number(number))
    else:
        errors.append(words.required(place, "port name or number is required"))
