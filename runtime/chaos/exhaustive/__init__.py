"""Small worlds, played in every order there is: what holds here is no matter of luck.

`search.py` goes through the orders, `chosen.py` is a simulation in which somebody chooses what comes next, `worlds.py` and its siblings are
the worlds with what must hold in them.
"""
