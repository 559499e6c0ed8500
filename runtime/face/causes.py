"""Why a wait ran out of time, for its error: what pods and the Events about them say. Reads through the verbs' host.

The sentence is made by `models/trouble.py`.
"""

from __future__ import annotations

from typing import Any

from callboard.models.errors import ApiError
from callboard.models.kinds import kind_of
from callboard.models.messages import api
from callboard.models.owners import is_controlled_by
from callboard.models.selectors import compile_selector
from callboard.models.trouble import trouble_of
from callboard.runtime.face.contract import Host

WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
READ_TIMEOUT_S = 2.0


def causes(host: Host, obj: Any) -> str:
    """What keeps a pod or workload from what was waited for; "" if nothing is known, or if the cluster doesn't answer."""
    kind = kind_of(obj) if obj is not None else ""
    try:
        if kind == "Pod":
            return trouble_of([obj], _about(host, [obj]))
        if kind in WORKLOADS and obj.spec is not None and obj.spec.selector is not None:
            return _of_workload(host, obj)
    except ApiError:  # the caller is about to raise an error of its own, which says more than this one
        return ""
    return ""


def _of_workload(host: Host, obj: Any) -> str:
    namespace, chosen = obj.metadata.namespace, compile_selector(obj.spec.selector)
    makers = [obj, *(one for one in _list(host, "replicasets.apps", namespace) if is_controlled_by(one, obj))]
    pods = [pod for pod in _list(host, "pods", namespace) if chosen.matches(pod.metadata.labels)]
    return trouble_of(pods, _about(host, [*makers, *pods]))


def _about(host: Host, objects: list[Any]) -> list[Any]:
    """The Events about some objects of one namespace."""
    known = {one.metadata.uid: True for one in objects}
    events = _list(host, "events", objects[0].metadata.namespace)
    return [one for one in events if one.involved_object is not None and one.involved_object.uid in known]


def _list(host: Host, resource: str, namespace: str) -> tuple[Any, ...]:
    answer = host.ask(api.ListObjects, READ_TIMEOUT_S, resource=resource, namespace=namespace)
    assert isinstance(answer, api.Listed)
    return tuple(answer.objects)
