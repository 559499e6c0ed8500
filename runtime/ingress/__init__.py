"""The Ingress with real requests: a program beside the process daemon that takes connections from outside and asks the pods.

Inside the program: `heads.py` judges and rewrites heads, `clients.py` and `backends.py` are the two kinds of connections, `exchange.py` one
request with its answer between them, `pool.py` chooses endpoints and keeps connections, `front.py` holds all of it together,
`certificates.py` what TLS needs; `helper.py` is the program. In the main program: `driver.py` tells it, `component.py` stands before that.
"""
