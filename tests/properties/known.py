"""Worlds that once showed a missing rule or a bug, shrunk; each is played in every run. What found it stands beside it."""

from __future__ import annotations

from tests.properties.worlds import App, Fault, World

KNOWN: dict[str, World] = {
    "a node is cut off while its pod is bound": World(
        0, 1, 1, 1, (App("app-0", 0),), (Fault("node-cut", 0.0, 1.0, "node-1"), Fault("scale", 0.0, 0.0, "app-0", 1))
    ),
    "two pods and nothing goes wrong": World(0, 1, 1, 1, (App("app-0", 2),), ()),
    "scaled to nothing at once, two of everything": World(
        0, 3, 2, 2, (App("app-0", 2), App("app-1", 0)), (Fault("scale", 0.0, 0.0, "app-0", 0),)
    ),
    "scaled up at once, two controllers": World(0, 1, 1, 2, (App("app-0", 0),), (Fault("scale", 0.0, 0.0, "app-0", 1),)),
    "two of everything and nothing goes wrong": World(0, 3, 2, 2, (App("app-0", 3), App("app-1", 0)), ()),
    **{
        f"one of two apiservers goes for good, and long afterwards there is something to do ({number})": World(
            number, 2, 2, 1, (App("app-0", 4),), (Fault("server-gone", 11.0, 0.0, "apiserver-0"), Fault("scale", 36.0, 0.0, "app-0", 3))
        )
        for number in (1, 12, 16)  # of these components came back to it, by late time-outs, and so lost nodes
    },
    **{
        f"scaled up, down and up at once, two controllers ({number})": World(
            number,
            2,
            1,
            2,
            (App("app-0", 2),),
            (Fault("scale", 0.0, 0.0, "app-0", 5), Fault("scale", 0.3, 0.0, "app-0", 1), Fault("scale", 0.6, 0.0, "app-0", 4)),
        )
        for number in (10, 11, 21, 28, 30, 32, 41, 47, 50, 55)  # without fences these, a fifth of all, end with a pod too many
    },
}
