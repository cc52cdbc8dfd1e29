"""The AWS SDK for C++, as pyarrow's S3FileSystem has it, with its default chain."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import pyarrow  # noqa: E402
from pyarrow import fs  # noqa: E402

store = None


def operation(url: str) -> None:
    global store  # pylint: disable=global-statement
    if store is None:
        store = fs.S3FileSystem(endpoint_override=url.removeprefix("http://"), scheme="http", region="eu-central-1")
    store.get_file_info("bucket/x.csv")


s3_loop.run(operation, pyarrow.__version__)
