"""Apache OpenDAL's service s3, whose chain of credentials is that of reqsign."""

import importlib.metadata
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import opendal  # noqa: E402

operator = None


def operation(url: str) -> None:
    global operator  # pylint: disable=global-statement
    if operator is None:
        operator = opendal.Operator("s3", bucket="bucket", endpoint=url, region="eu-central-1")
    operator.stat("x.csv")


s3_loop.run(operation, importlib.metadata.version("opendal"))
