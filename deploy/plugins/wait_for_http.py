#!/usr/bin/env python3
"""Waits until an address answers 200, and throws the version out when it has not after so many tries.

- plugin: {name: example/wait-for-http, config: {url: http://web-canary.shop/ready, tries: 20}}
"""

import json
import sys
import urllib.error
import urllib.request

request = json.load(sys.stdin)
config = request["config"] or {}


def answered():
    try:
        with urllib.request.urlopen(config["url"], timeout=10) as response:
            return response.status == 200, f"answered {response.status}"
    except urllib.error.HTTPError as error:
        return False, f"answered {error.code}"
    except OSError as error:
        return False, f"did not answer: {error}"


def run():
    tries = (request["status"] or {"tries": 0})["tries"] + 1
    good, told = answered()
    message = f"{config['url']} {told} (try {tries} of {config.get('tries', 20)})"
    if good:
        return {"phase": "Successful", "message": message}
    if tries >= config.get("tries", 20):
        return {"phase": "Failed", "message": message}
    return {"phase": "Running", "message": message, "requeueAfter": "15s", "status": {"tries": tries}}


if request["op"] == "run" and "url" not in config:
    sys.exit("config.url is missing: name the address to wait for")
json.dump(run() if request["op"] == "run" else {"phase": "Successful"}, sys.stdout)
