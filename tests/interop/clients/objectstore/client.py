"""The crate object_store, as obstore has it: what polars and delta-rs use, too."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import obstore  # noqa: E402
from obstore.store import S3Store  # noqa: E402

store = None


def operation(url: str) -> None:
    global store  # pylint: disable=global-statement
    if store is None:
        store = S3Store("bucket", endpoint=url, client_options={"allow_http": True}, virtual_hosted_style_request=False)
    obstore.head(store, "x.csv")


s3_loop.run(operation, obstore.__version__)
