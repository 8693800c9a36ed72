"""The composition root: the only room that builds clocks, sockets and processes and wires the engines.

settings.py    the flags of `shipway run`
installation.py  what a cluster must have before the engines can work in it
engines.py     the production process against any cluster: client, mirrors, renderers, engines, HTTP
cluster.py     an API server, the built-in controllers, one node and the proxy, on this machine
supervise.py   `shipway up`: an embedded cluster, plus exactly the production process as a child of its own
"""
