"""What makes the names of a cluster known inside its pods: a program that answers packets in every node's namespace, or hosts files.

`packets.py` answers one packet, `server.py` serves sockets, `helper.py` is the program inside the cell, `messages.py` what it is told.
`driver.py` is its main program's side, `hostsbook.py` the other way where pods have no network of their own; `component.py` stands before
either of them.
"""
