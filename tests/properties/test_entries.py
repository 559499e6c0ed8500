"""Whatever goes wrong for a while, afterwards the Ingress sends requests to the ready endpoints and to no others, and names mean them."""

from __future__ import annotations

from typing import Any

import pytest

from callboard import Simulation
from tests.properties.exploring import comes_to_rest, examples, explore
from tests.properties.judges import CONVERGES_WITHIN_S, difference, ready_addresses
from tests.properties.worlds import App, World, play, worlds

CHUNKS = 4
EXAMPLES = examples(96)


def ingress(app: App) -> dict[str, Any]:
    """Requests for the host `<app>.local` go to the app's Service."""
    backend = {"service": {"name": app.name, "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {"rules": [{"host": f"{app.name}.local", "http": {"paths": paths}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": app.name}, "spec": spec}


def headless(app: App) -> dict[str, Any]:
    """The app's pods by one name."""
    spec = {"clusterIP": "None", "selector": {"app": app.name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"pods-of-{app.name}"}, "spec": spec}


def known_right(s: Simulation) -> str:
    """What the Ingress or the name service does not know as it is; "" if all is well."""
    table = s._system.look("ingress").current_table()
    sent = {one.target: sorted(address for address, _ in one.endpoints) for one in table.backends}
    for one in s.list("ingresses"):
        name = one.metadata.name
        wanted = ready_addresses(s, name)
        if sent.get(f"default/{name}:80") != wanted:
            return f"the Ingress sends {name} to {sent.get(f'default/{name}:80')}, ready are {wanted}"
        if not one.content.get("status", {}).get("loadBalancer", {}).get("ingress"):
            return f"the Ingress {name} has no address"
        named = sorted(s.resolve(f"pods-of-{name}").addresses)
        if named != wanted:
            return f"pods-of-{name} means {named}, ready are {wanted}"
    return ""


def entries_converge(world: World) -> None:
    """Play a world in which Ingresses and names are there from the first moment on."""

    def before(s: Simulation) -> None:
        s.apply([made(app) for app in world.apps for made in (ingress, headless)])
        s.resolve("pods-of-app-0")  # from now on the name service follows what happens

    comes_to_rest(play(world, before), lambda s: apps_difference(s) or known_right(s), CONVERGES_WITHIN_S)


def apps_difference(s: Simulation) -> str:
    """What is wrong with the apps themselves; their headless Services are judged by `known_right`."""
    return difference(s, services=[one for one in s.list("services") if one.spec.cluster_ip != "None"])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_after_the_last_fault_ingresses_and_names_know_the_ready_endpoints(chunk: int) -> None:
    explore(worlds(more=("ingress", "dns")), entries_converge, EXAMPLES // CHUNKS, chunk)
