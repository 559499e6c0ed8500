"""Helpers: processes beside the process daemon that do what belongs inside the cell: networks, names, the Ingress.

Each listens on a Unix socket in the daemon's folder and ends with the daemon. `link.py` is the main program's side, `program.py` the
helper's own, `wire.py` what goes between.
"""
