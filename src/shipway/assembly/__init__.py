"""The composition root: the only room that builds clocks, sockets and processes and wires the engines.

engines.py     the production process against any cluster: client, mirrors, renderers, engines, HTTP
cluster.py     an API server, the built-in controllers, one node and the proxy, on this machine
supervise.py   `shipway up`: an embedded cluster, plus exactly the production process as a child of its own
"""
