"""Structs of API group discovery, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.api import core
from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["Endpoint", "EndpointConditions", "EndpointHints", "EndpointPort", "EndpointSlice", "ForNode", "ForZone"]


class EndpointConditions(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForNode(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""


class ForZone(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""


class EndpointHints(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    for_nodes: tuple[ForNode, ...] = ()
    for_zones: tuple[ForZone, ...] = ()


class Endpoint(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions | None = None
    deprecated_topology: FrozenMap = EMPTY_MAP
    hints: EndpointHints | None = None
    hostname: str = ""
    node_name: str = ""
    target_ref: core.ObjectReference | None = None
    zone: str = ""


class EndpointPort(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    app_protocol: str = ""
    name: str = ""
    port: int | None = None
    protocol: str = ""


class EndpointSlice(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "discovery.k8s.io/v1"
    KIND: ClassVar[str] = "EndpointSlice"
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    ports: tuple[EndpointPort, ...] = ()
