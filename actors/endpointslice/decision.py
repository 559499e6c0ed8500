"""What to do about the slices of a Service: pure functions of the Service, its slices and what its pods contribute.

An endpoint stays in its slice; what is new fills slices that change anyway, then one that has room for all of it, then new slices.
Source: kubernetes staging/src/k8s.io/endpointslice/reconciler.go. Every proxy of the cluster hears of every changed slice, so the fewest
possible are changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callboard.actors import actions as act
from callboard.actors.endpointslice.endpoints import Placed, Ports, is_headless, selects
from callboard.models.api.core import Service
from callboard.models.api.discovery import Endpoint, EndpointSlice
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import FrozenMap, replace
from callboard.models.names import SUFFIX_LENGTH, child_index, child_suffix, next_indices
from callboard.models.owners import owner_reference

RESOURCE = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ADDRESS_TYPE = "IPv4"
ENDPOINTS_LIMIT = 100
"""Endpoints of one slice at most (--max-endpoints-per-slice)."""
PREFIX_LIMIT = 63 - SUFFIX_LENGTH


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a decision depends on. `slices` are those that this controller manages under the Service's name, `wanted` what each
    pod contributes, by any key, in the order in which new endpoints are placed."""

    service: Service
    slices: tuple[EndpointSlice, ...]
    wanted: Mapping[str, Placed]
    highest_index: int = -1
    """The highest index of a slice's name that has been seen or acknowledged."""
    lost_indices: tuple[int, ...] = ()
    """Indices of creations whose outcome is unknown: they are tried again before new ones."""


class _Content(msgspec.Struct, gc=False):
    """What a slice holds, or is to hold; `origin` is None for one that has to be created."""

    ports: Ports
    endpoints: tuple[Endpoint, ...]
    origin: EndpointSlice | None = None


class _Fit(msgspec.Struct, gc=False):
    """How the endpoints of one or more sets of ports are to be spread."""

    updated: list[_Content] = []
    created: list[_Content] = []
    deleted: list[EndpointSlice] = []
    unchanged: int = 0


def decide(view: View) -> tuple[act.Action, ...]:
    """What to do now."""
    service = view.service
    if not selects(service):
        return ()
    labels = labels_of(service)
    uid = service.metadata.uid
    own = [one for one in view.slices if _is_owned(one, uid)]
    foreign = [one for one in view.slices if not _is_owned(one, uid)]
    fit = _Fit()
    by_ports: dict[Ports, list[EndpointSlice]] = {}
    for piece in sorted(own, key=lambda one: one.metadata.name):
        by_ports.setdefault(piece.ports, []).append(piece)
    for ports, wanted in _grouped(view.wanted).items():
        _spread(fit, ports, wanted, by_ports.pop(ports, []), labels)
    for left in by_ports.values():
        fit.deleted.extend(left)
    _keep_one(fit)
    _reuse(fit)
    return _actions(view, fit, foreign, labels)


def labels_of(service: Service) -> FrozenMap:
    """The labels of a Service's slices: the Service's own, and those that tell whose they are."""
    reserved = {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if is_headless(service):
        reserved[HEADLESS] = ""
    copied = {key: value for key, value in service.metadata.labels.items() if key not in (SERVICE_NAME, MANAGED_BY, HEADLESS)}
    return FrozenMap({**copied, **reserved})


def name_prefix(service_name: str) -> str:
    """What the names of a Service's slices begin with."""
    return f"{service_name}-"[:PREFIX_LIMIT]


def index_of(name: str, service_name: str, service_uid: str) -> int:
    """The index that a slice's name was made of; -1 if it is not of this controller's making."""
    prefix = name_prefix(service_name)
    return child_index(service_uid, name[len(prefix) :]) if name.startswith(prefix) else -1


def _is_owned(piece: EndpointSlice, service_uid: str) -> bool:
    return piece.address_type == ADDRESS_TYPE and any(one.uid == service_uid for one in piece.metadata.owner_references)


def _grouped(wanted: Mapping[str, Placed]) -> dict[Ports, dict[str, Endpoint]]:
    """The endpoints by their ports, then by the UID of their pod."""
    groups: dict[Ports, dict[str, Endpoint]] = {}
    last: Ports | None = None
    group: dict[str, Endpoint] = {}
    for entry in wanted.values():
        if entry.ports is not last:  # nearly all pods of a Service share one tuple: no need to hash it for each
            last = entry.ports
            group = groups.setdefault(last, {})
        group[_uid(entry.endpoint)] = entry.endpoint
    return groups


def _uid(endpoint: Endpoint) -> str:
    return endpoint.target_ref.uid if endpoint.target_ref is not None else ""


# -- spreading ------------------------------------------------------------------------------------------------------------------------


def _spread(fit: _Fit, ports: Ports, wanted: dict[str, Endpoint], slices: list[EndpointSlice], labels: FrozenMap) -> None:
    """Spread the endpoints of one set of ports over its slices (reconcileByPortMapping)."""
    placed: set[str] = set()
    changed: list[_Content] = []
    unchanged: list[EndpointSlice] = []
    for piece in slices:
        kept, differs = _kept(piece, wanted, placed)
        if not kept:
            fit.deleted.append(piece)
        elif differs or piece.metadata.labels != labels:
            changed.append(_Content(ports, kept, piece))
        else:
            unchanged.append(piece)
    remaining = [] if len(placed) == len(wanted) else [one for uid, one in wanted.items() if uid not in placed]
    changed.sort(key=lambda one: -len(one.endpoints))
    for content in changed:
        room = ENDPOINTS_LIMIT - len(content.endpoints)
        content.endpoints = (*content.endpoints, *remaining[:room])
        remaining = remaining[room:]
    while remaining:
        roomy = _with_room(unchanged, len(remaining)) if len(remaining) < ENDPOINTS_LIMIT else None
        if roomy is not None:
            unchanged.remove(roomy)
            changed.append(_Content(ports, (*roomy.endpoints, *remaining), roomy))
            remaining = []
        else:
            fit.created.append(_Content(ports, tuple(remaining[:ENDPOINTS_LIMIT])))
            remaining = remaining[ENDPOINTS_LIMIT:]
    fit.updated.extend(changed)
    fit.unchanged += len(unchanged)


def _kept(piece: EndpointSlice, wanted: dict[str, Endpoint], placed: set[str]) -> tuple[tuple[Endpoint, ...], bool]:
    """The endpoints that stay in a slice, as they are wanted now, and whether that differs from what it holds."""
    kept: list[Endpoint] = []
    differs = False
    for endpoint in piece.endpoints:
        uid = _uid(endpoint)
        now = wanted.get(uid)
        if now is None or uid in placed or len(kept) >= ENDPOINTS_LIMIT:
            differs = True  # gone, or in another slice already
            continue
        placed.add(uid)
        kept.append(now)
        differs = differs or (now is not endpoint and now != endpoint)
    return (tuple(kept) if differs else piece.endpoints), differs


def _with_room(slices: list[EndpointSlice], count: int) -> EndpointSlice | None:
    """The fullest slice that has room for so many (getSliceToFill)."""
    fitting = [one for one in slices if len(one.endpoints) + count <= ENDPOINTS_LIMIT]
    return max(fitting, key=lambda one: len(one.endpoints), default=None)


def _keep_one(fit: _Fit) -> None:
    """A Service without endpoints has one empty slice."""
    if fit.created or fit.updated or fit.unchanged:
        return
    fit.created.append(_Content((), ()))


def _reuse(fit: _Fit) -> None:
    """Instead of creating one slice and deleting another, change that one."""
    while fit.created and fit.deleted:
        content = fit.created.pop(0)
        content.origin = fit.deleted.pop(0)
        fit.updated.append(content)


# -- writing ------------------------------------------------------------------------------------------------------------------------


def _actions(view: View, fit: _Fit, foreign: list[EndpointSlice], labels: FrozenMap) -> tuple[act.Action, ...]:
    actions: list[act.Action] = [_deletion(piece) for piece in (*foreign, *fit.deleted)]
    for content in fit.updated:
        piece = content.origin
        assert piece is not None
        new = replace(piece, metadata=replace(piece.metadata, labels=labels), ports=content.ports, endpoints=content.endpoints)
        if new != piece:
            actions.append(act.Update(resource=RESOURCE, obj=new))
    if not view.service.metadata.deletion_timestamp:  # a Service that is going gets no new slices (kubernetes#91311)
        actions.extend(_creations(view, fit.created, labels))
    return tuple(actions)


def _deletion(piece: EndpointSlice) -> act.Delete:
    meta = piece.metadata
    return act.Delete(resource=RESOURCE, namespace=meta.namespace, name=meta.name, uid=meta.uid, resource_version=meta.resource_version)


def _creations(view: View, contents: list[_Content], labels: FrozenMap) -> list[act.Action]:
    meta = view.service.metadata
    prefix, owners = name_prefix(meta.name), (owner_reference(view.service),)
    actions: list[act.Action] = []
    for index, content in zip(next_indices(view.lost_indices, view.highest_index, len(contents)), contents, strict=True):
        piece = EndpointSlice(
            metadata=ObjectMeta(
                name=prefix + child_suffix(meta.uid, index),
                generate_name=prefix,
                namespace=meta.namespace,
                labels=labels,
                owner_references=owners,
            ),
            address_type=ADDRESS_TYPE,
            endpoints=content.endpoints,
            ports=content.ports,
        )
        actions.append(act.Create(resource=RESOURCE, obj=piece, trusted=True))
    return actions
