"""The pods' own network: namespaces of nodes and pods, the fabric between them, cuts, rules, and ways in from outside.

`plan.py` says which address is whose, `messages.py` what is asked and answered, `driver.py` is the main program's side. `helper.py` is the
program inside the cell; it works with `spaces.py` (threads in namespaces), `netlink.py`, `fabric.py` and `outside.py`.
"""
