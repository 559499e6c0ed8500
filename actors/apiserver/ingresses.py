"""The class of a new Ingress that names none. Pure; called by `admission`.

Source: kubernetes plugin/pkg/admission/network/defaultingressclass.
"""

from __future__ import annotations

from callboard.actors.apiserver.view import View
from callboard.models.base import FrozenMap, replace
from callboard.models.generic import GenericObject
from callboard.models.ingress import CLASS_ANNOTATION, INGRESS_CLASSES, default_class


def with_default_class(ingress: GenericObject, view: View) -> GenericObject:
    """A new Ingress with the default class, if there is one and it names none, neither in its spec nor by the annotation of old."""
    spec = ingress.content.get("spec")
    if not isinstance(spec, FrozenMap) or spec.get("ingressClassName") is not None or CLASS_ANNOTATION in ingress.metadata.annotations:
        return ingress
    name = default_class(view.objects(INGRESS_CLASSES, ""))
    if not name:
        return ingress
    content = FrozenMap({**ingress.content, "spec": FrozenMap({**spec, "ingressClassName": name})})
    return replace(ingress, content=content)
