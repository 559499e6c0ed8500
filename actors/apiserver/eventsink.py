"""Events of the API: what a person should be told about an object, counted where it repeats itself. A planner.

The name of an Event is made of what makes two occurrences the same (object, reason, message, component), so that every apiserver finds the
same one and none has to remember anything. They are kept for a time and never journalled.
"""

from __future__ import annotations

from hashlib import blake2b

from callboard.actors.apiserver.planning import Context, Plan
from callboard.actors.apiserver.view import View
from callboard.models.api.core import Event, EventSource, ObjectReference
from callboard.models.api.meta import ObjectMeta
from callboard.models.base import replace
from callboard.models.errors import forbidden, not_found
from callboard.models.messages.api import RecordEvent, object_key
from callboard.models.messages.store import Compare, Put

EVENTS = "events"


def event_name(request: RecordEvent) -> str:
    """`web-1.` and sixteen hexadecimal digits, the same for every occurrence of the same thing."""
    message = chr(1) if request.combined else request.message
    parts: tuple[str, ...] = (request.uid, request.involved_kind, request.type, request.reason, message, request.component, request.host)
    if request.field_path:
        parts = (*parts, request.field_path)  # the same of two containers is told twice (client-go, getEventKey)
    return f"{request.name}.{blake2b(chr(0).join(parts).encode(), digest_size=8).hexdigest()}"


def plan_event(request: RecordEvent, view: View, context: Context) -> Plan:
    """Record an Event, or count one more occurrence.

    Raises:
        NotFound: there is no such namespace (any more).
        Forbidden: it is terminating.
    """
    namespace = request.namespace or "default"
    key = object_key(EVENTS, namespace, event_name(request))
    known = view.get(key)
    if known is not None:
        again = replace(known, count=(known.count or 1) + 1, last_timestamp=context.time, message=request.message)
        put = Put(key, again, context.settings.event_ttl_s)
        return Plan((Compare(key, known.metadata.resource_version),), (put,), quiet=True)
    home = view.get(object_key("namespaces", "", namespace))
    if home is None:
        raise not_found("namespaces", namespace)
    name = key[key.rindex("/") + 1 :]
    if home.metadata.deletion_timestamp:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise forbidden(EVENTS, name, why)
    time = context.time
    event = Event(
        metadata=ObjectMeta(name=name, namespace=namespace, uid=context.new_id(), creation_timestamp=time),
        involved_object=ObjectReference(
            api_version=request.involved_api_version,
            kind=request.involved_kind,
            namespace=request.namespace,
            name=request.name,
            uid=request.uid,
            field_path=request.field_path,
        ),
        type=request.type,
        reason=request.reason,
        message=request.message,
        count=1,
        first_timestamp=time,
        last_timestamp=time,
        source=EventSource(component=request.component, host=request.host),
        reporting_component=request.component,
        reporting_instance=request.host,
    )
    return Plan((Compare(key, 0),), (Put(key, event, context.settings.event_ttl_s),), quiet=True)
