"""The environment of a container, resolved from its spec, its pod and the ConfigMaps and Secrets that it names. Pure.

Source: kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/fieldpath, third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import ChainMap
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from callboard.actors.kubelet.pods import PodRecord
from callboard.models.api.core import Container, EnvVar, EnvVarSource, ResourceFieldSelector
from callboard.models.quantity import parse_quantity

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
Environment = tuple[tuple[str, str], ...]
_NO_LINKS: Mapping[str, str] = {}


class ConfigMissing(Exception):
    """What a container's environment needs is not there; the text is Kubernetes'."""


def environment(
    pod: PodRecord, container: Container, node_name: str, capacity: Mapping[str, str], links: Mapping[str, str] = _NO_LINKS
) -> Environment:
    """The variables of a container in their order, those of envFrom first. `links` are those of Services: they come last, give way to
    what the spec says, and may be referred to.

    Raises:
        ConfigMissing: a ConfigMap, Secret or key that is not optional is absent.
    """
    if not container.env and not container.env_from:
        return tuple(links.items())
    found: dict[str, str] = {}
    configs = dict(pod.configs or ())
    for source in container.env_from:
        for resource, reference in (("configmaps", source.config_map_ref), ("secrets", source.secret_ref)):
            if reference is not None:
                obj = _config(pod, configs, resource, reference.name, bool(reference.optional))
                found.update({source.prefix + key: value for key, value in _texts(obj).items()})
    known = ChainMap(found, dict(links)) if links else found
    for variable in container.env:
        value = _value(pod, container, variable, known, configs, node_name, capacity)
        if value is not None:
            found[variable.name] = value
    return (*found.items(), *((name, value) for name, value in links.items() if name not in found))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where the name is known, else left as it is; `$$` is one `$`."""
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else variables.get(match[1], match[0]), text)


def _value(
    pod: PodRecord,
    container: Container,
    variable: EnvVar,
    known: Mapping[str, str],
    configs: Mapping[str, Any],
    node_name: str,
    capacity: Mapping[str, str],
) -> str | None:
    """The value of one variable; None if it is optional and absent."""
    source: EnvVarSource | None = variable.value_from
    if source is None:
        return expanded(variable.value, known)
    if source.field_ref is not None:
        return field(pod, source.field_ref.field_path, node_name)
    if source.resource_field_ref is not None:
        selector = source.resource_field_ref
        named = pod.containers.get(selector.container_name)
        return resource_value(named.spec if named is not None else container, selector, capacity)
    for resource, reference in (("configmaps", source.config_map_key_ref), ("secrets", source.secret_key_ref)):
        if reference is None:
            continue
        obj = _config(pod, configs, resource, reference.name, bool(reference.optional))
        texts = _texts(obj)
        if reference.key in texts:
            return texts[reference.key]
        if reference.optional:
            return None
        kind = "ConfigMap" if resource == "configmaps" else "Secret"
        raise ConfigMissing(f"couldn't find key {reference.key} in {kind} {pod.pod.metadata.namespace}/{reference.name}")
    return ""


def _config(pod: PodRecord, configs: Mapping[str, Any], resource: str, name: str, optional: bool) -> Any:
    obj = configs.get(f"{resource}/{pod.pod.metadata.namespace}/{name}")
    if obj is None and not optional:
        raise ConfigMissing(f'{"configmap" if resource == "configmaps" else "secret"} "{name}" not found')
    return obj


def _texts(obj: Any) -> dict[str, str]:
    """The entries of a ConfigMap or Secret as text; none of what is absent."""
    if obj is None:
        return {}
    if obj.KIND == "Secret":
        return {key: _decoded(value) for key, value in obj.data.items()}
    return dict(obj.data)


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise ConfigMissing("a value of the secret is not base64") from None


def field(pod: PodRecord, path: str, node_name: str) -> str:
    """A field of the pod by its path, as the downward API names it; "" if this pod does not have it."""
    meta, spec = pod.pod.metadata, pod.pod.spec
    match = _SUBSCRIPT.fullmatch(path)
    if match is not None:
        entries = meta.labels if match[1] == "labels" else meta.annotations
        return str(entries.get(match[2], ""))
    fields = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": node_name,
        "spec.serviceAccountName": spec.service_account_name if spec is not None else "",
        "status.hostIP": pod.host_ip,
        "status.hostIPs": pod.host_ip,
        "status.podIP": pod.ip,
        "status.podIPs": pod.ip,
    }
    return fields.get(path, "")


def resource_value(container: Container, selector: ResourceFieldSelector, capacity: Mapping[str, str]) -> str:
    """A request or limit of a container in units of the divisor, rounded up; a limit that isn't set is what the node has
    (pkg/api/v1/resource/helpers.go)."""
    kind, _, name = selector.resource.partition(".")
    resources = container.resources
    given = None if resources is None else (resources.limits if kind == "limits" else resources.requests).get(name)
    if given is None:
        given = capacity.get(name, "0") if kind == "limits" else "0"
    divisor = parse_quantity(selector.divisor or "1") or Decimal(1)
    return str(int((parse_quantity(given) / divisor).to_integral_value(ROUND_CEILING)))
