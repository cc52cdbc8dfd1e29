"""For clients that show their credentials only in requests they sign: an S3 that says yes, and the loop of a client around it.

    import s3_loop
    s3_loop.run(operation, version)     # operation(url) makes one signed request to http://127.0.0.1:PORT

The line has the access key id of Authorization and the session token, but no secret key: that is never sent.
"""

from __future__ import annotations

import http.server
import json
import re
import signal
import sys
import threading
import time
from typing import Any, Callable

OBJECT = b"a,b\n1,2\n"
LISTING = (b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
           b"<Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>x.csv</Key>"
           b"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;00000000000000000000000000000000&quot;</ETag><Size>8</Size>"
           b"<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]] = []

    def do_GET(self) -> None:
        key = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        self.seen.append({"ak": key and key.group(1), "st": self.headers.get("X-Amz-Security-Token")})
        path = self.path.partition("?")[0]
        body = OBJECT if path.count("/") > 1 and not path.endswith("/") else LISTING
        status, offered = 200, self.headers.get("Range", "")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", offered)
        headers = {"ETag": '"00000000000000000000000000000000"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Accept-Ranges": "bytes",
                   "Content-Type": "text/csv" if body is OBJECT else "application/xml"}
        if wanted and body is OBJECT and int(wanted.group(1)) < len(OBJECT):
            first, last = int(wanted.group(1)), min(int(wanted.group(2) or len(OBJECT) - 1), len(OBJECT) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(OBJECT)}"
            status, body = 206, OBJECT[first:last + 1]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *words: Any) -> None:
        """Nothing: standard output is for the lines."""


def run(operation: Callable[[str], Any], version: str) -> None:
    """The client: N and INTERVAL_MS are its arguments."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what was registered with atexit is done
    times, interval_s = int(sys.argv[1]), int(sys.argv[2]) / 1000
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for i in range(times):
        began = time.monotonic()
        line: dict[str, Any] = {"version": version}
        _Handler.seen.clear()
        try:
            operation(f"http://127.0.0.1:{server.server_port}")
        except Exception as error:  # noqa: BLE001 - whatever the library has
            line["err"] = f"{type(error).__name__}: {error}"
        signed = [one for one in _Handler.seen if one["ak"]]
        if "err" not in line and signed:
            line.update(signed[-1])
        elif "err" not in line:
            line["err"] = "the request was not signed" if _Handler.seen else "there was no request"
        line["ms"] = round((time.monotonic() - began) * 1000)
        print(json.dumps(line), flush=True)
        if i + 1 < times:
            time.sleep(interval_s)
