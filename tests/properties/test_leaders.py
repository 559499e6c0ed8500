"""Two copies of a controller: who has lost the lead writes nothing, whatever it still thinks of its work."""

from __future__ import annotations

from callboard import Simulation

COPIES = ("scheduler", "scheduler-1")
BIG = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "big"},
    "spec": {"containers": [{"name": "c", "image": "web", "resources": {"requests": {"cpu": "64"}}}]},
}


def test_a_scheduler_that_has_lost_the_lead_no_longer_tells_pods_why_they_wait() -> None:
    with Simulation(nodes=1, controllers=2, seed=1) as s:
        system = s._system

        def leading() -> list[str]:
            return [name for name in COPIES if system.look(name).leads]

        s.apply(BIG)
        s.advance("1m")
        (old,) = leading()
        s.links.partition(old, "apiserver-*")
        s.patch("node/node-1", {"spec": {"unschedulable": True}})
        s.advance("1m")
        (new,) = (name for name in COPIES if name != old)
        assert system.look(new).leads
        assert "unschedulable" in s.get("pod/big").status.conditions[0].message

        said: list[str] = []
        system.on_step.append(lambda: said.append(system.last[1].partition("#")[0]) if system.last[3] == "WriteStatus" else None)
        s.links.heal()
        s.advance("2m")
        assert leading() == [new]
        assert said.count(old) == 0, "what it thought when it led is not so any more"
        assert said.count(new) == 0
