"""tensorstore's driver for S3: a chain of its own, of the parts of the AWS Common Runtime."""

import importlib.metadata
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import tensorstore  # noqa: E402

TIMEOUT_S = 60
store = None


def operation(url: str) -> None:
    global store  # pylint: disable=global-statement
    if store is None:
        where = {"driver": "s3", "bucket": "bucket", "endpoint": url, "aws_region": "eu-central-1"}
        store = tensorstore.KvStore.open(where).result(timeout=TIMEOUT_S)
    store.read("x.csv").result(timeout=TIMEOUT_S)


s3_loop.run(operation, importlib.metadata.version("tensorstore"))
