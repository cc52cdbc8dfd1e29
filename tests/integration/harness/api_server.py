"""The part of a Kubernetes API server that the agent asks: its keys, one ConfigMap, listed and watched, and the taints of a node.

Its certificate is for kubernetes.default.svc, by an authority of its own, as a cluster's is.
"""

from __future__ import annotations

import base64
import json
import queue
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

from .cluster import NODE_NAME, Cluster, openssl
from .places import Place

TOKEN = "the-agents-own-token"
NAMESPACE, NAME = "pod-identity", "associations"


class ApiServer:
    """Serves in a place until stop(). What it was asked stands in `asked`."""

    def __init__(self, place: Place, cluster: Cluster, folder: Path, host: str = "127.0.0.1") -> None:
        self.cluster, self.folder, self.asked = cluster, folder, list[str]()
        self.status: int | None = None  # of every answer, in place of the right one
        self.watch_status: int | None = None  # of watches alone
        self.data: dict[str, str] | None = {}
        self.binary: dict[str, bytes] = {}
        self.gone: set[str] = set()  # names of pods that are no more
        self.taints: list[dict[str, str]] = []  # of NODE_NAME
        self.before_patch: Callable[[], None] | None = None  # once, before a patch is looked at
        self.version, self._watchers = 100, list["queue.Queue[dict[str, Any] | bytes | None]"]()
        folder.mkdir()
        self._certificate(folder, host)
        (folder / "token").write_text(TOKEN)
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802
                server.answer(self)

            def do_POST(self) -> None:  # noqa: N802
                server.review(self)

            def do_PATCH(self) -> None:  # noqa: N802
                server.patch_node(self)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def server_bind(self) -> None:
                self.socket = place.socket()
                self.socket.bind(self.server_address)
                self.server_address = self.socket.getsockname()
                self.server_name, self.server_port = "localhost", self.server_address[1]

            def handle_error(self, *args: Any) -> None:
                pass  # a client that went away

        self._server = Server((host, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _certificate(folder: Path, host: str) -> None:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key", "-out", folder / "ca.crt", "-days", "2",
                "-subj", "/CN=kubernetes", "-addext", "basicConstraints=critical,CA:TRUE")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "server.key", "-out", folder / "server.csr",
                "-subj", "/CN=kube-apiserver")
        (folder / "extensions").write_text(f"subjectAltName=DNS:kubernetes.default.svc,IP:{host}\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", folder / "extensions", "-out", folder / "server.crt")

    @property
    def mount(self) -> list[str]:
        """The words that give a program the service account's folder, in a mount namespace that `ip netns exec` made for it alone.

        The token is as the kubelet writes it where all containers are root and fsGroup is the agent's group.
        """
        target = "/run/secrets/kubernetes.io/serviceaccount"
        script = (f"mount -t tmpfs none /run && mkdir -p {target} && cp {self.folder}/ca.crt {self.folder}/token {target}/ && "
                  f"chmod 644 {target}/ca.crt && chown 0:65532 {target}/token && chmod 640 {target}/token && exec \"$@\"")
        return ["/bin/sh", "-c", script, "sh"]

    @property
    def env(self) -> dict[str, str]:
        """What Kubernetes sets in each container."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}

    def patch(self, **changes: Any) -> None:
        """As `kubectl patch configmap`: NAMESPACE__ACCOUNT is an object, or None; bytes become binaryData."""
        data = dict(self.data or {})
        for name, value in changes.items():
            key = name.replace("__", ".")
            data.pop(key, None)
            self.binary.pop(key, None)
            if isinstance(value, bytes):
                self.binary[key] = value
            elif value is not None:
                data[key] = json.dumps(value)
        self.data = data
        self._tell("MODIFIED")

    def delete(self) -> None:
        """The ConfigMap is gone."""
        self._tell("DELETED")
        self.data = None

    def send(self, event: dict[str, Any] | bytes) -> None:
        """Any event, or what is none, to all who watch."""
        for watcher in self._watchers:
            watcher.put(event)

    def hang_up(self) -> None:
        """Ends all watches, as the server does after a while."""
        for watcher in self._watchers:
            watcher.put(None)

    def stop(self) -> None:
        """Nobody listens any more."""
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()

    def _object(self) -> dict[str, Any]:
        binary = {key: base64.b64encode(value).decode() for key, value in self.binary.items()}
        return {"kind": "ConfigMap", "apiVersion": "v1", "data": self.data, **({"binaryData": binary} if binary else {}),
                "metadata": {"name": NAME, "namespace": NAMESPACE, "resourceVersion": str(self.version)}}

    def _tell(self, kind: str) -> None:
        self.version += 1
        self.send({"type": kind, "object": self._object()})

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        self.asked.append(request.path)
        url, body, status = urlsplit(request.path), b"", 200
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        accepted = request.headers["Accept"]
        refused = self.status or (self.watch_status if query.get("watch") else None)
        if refused is not None or request.headers["Authorization"] != f"Bearer {TOKEN}":
            status = refused or 401
            body = json.dumps({"kind": "Status", "message": "configmaps is forbidden", "code": status}).encode()
        elif url.path == "/openid/v1/jwks":
            assert "application/jwk-set+json" in accepted
            body = self.cluster.jwks.read_bytes()
        elif url.path == f"/api/v1/namespaces/{NAMESPACE}/configmaps" and query["fieldSelector"] == f"metadata.name={NAME}":
            if query.get("watch"):
                self._watch(request, query["resourceVersion"])
                return
            items = [] if self.data is None else [self._object()]
            body = json.dumps({"kind": "ConfigMapList", "metadata": {"resourceVersion": str(self.version)}, "items": items}).encode()
        elif url.path == f"/api/v1/nodes/{NODE_NAME}":
            body = self._node()
        else:
            status, body = 404, b'{"kind":"Status","message":"not found"}'
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def review(self, request: BaseHTTPRequestHandler) -> None:
        """A TokenReview: of a pod that is there."""
        self.asked.append(request.path)
        asked = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        claims = json.loads(base64.urlsafe_b64decode(asked["spec"]["token"].split(".")[1] + "=="))
        good = claims["kubernetes.io"]["pod"]["name"] not in self.gone and asked["spec"]["audiences"] == claims["aud"]
        status = self.status or 201
        asked["status"] = {"authenticated": True, "audiences": claims["aud"]} if good else {"error": "pod is gone"}
        body = json.dumps(asked if status == 201 else {"kind": "Status", "message": "tokenreviews is forbidden"}).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _node(self) -> bytes:
        images = [{"names": [f"registry.example.com/image-{i}@sha256:{'0' * 64}"], "sizeBytes": i} for i in range(300)]  # more than 16 KiB
        return json.dumps({"kind": "Node", "metadata": {"name": NODE_NAME}, "spec": {"taints": self.taints} if self.taints else {},
                           "status": {"images": images}}).encode()

    def patch_node(self, request: BaseHTTPRequestHandler) -> None:
        """A JSON patch of the node's taints, by RFC 6902: all of it, or nothing."""
        self.asked.append("PATCH " + request.path)
        patch = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        if self.before_patch:
            self.before_patch()
            self.before_patch = None
        status, body, taints = self.status or 200, b'{"kind":"Status","message":"nodes is forbidden"}', list(self.taints)
        assert request.headers["Content-Type"] == "application/json-patch+json" and request.path == f"/api/v1/nodes/{NODE_NAME}"
        for step in patch:
            place, index, *member = step["path"].split("/")[2:]
            assert place == "taints" and step["op"] in ("test", "remove")
            if int(index) >= len(taints) or (step["op"] == "test" and taints[int(index)][member[0]] != step["value"]):
                status, body = 422, b'{"kind":"Status","message":"the server rejected our request due to an error in our request"}'
                break
            if step["op"] == "remove":
                taints.pop(int(index))
        if status == 200:
            self.taints = taints
            body = self._node()
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _watch(self, request: BaseHTTPRequestHandler, version: str) -> None:
        events: "queue.Queue[dict[str, Any] | bytes | None]" = queue.Queue()
        if int(version) < self.version:
            events.put({"type": "MODIFIED", "object": self._object()})
        self._watchers.append(events)
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.flush()
        try:
            while (event := events.get()) is not None:
                line = (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n"
                for part in (line[:10], line[10:]):  # in pieces
                    request.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    request.wfile.flush()
            request.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        finally:
            self._watchers.remove(events)
