"""GDAL's /vsis3/, as rasterio's wheel has it: its code is its own, and so are its variables."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import rasterio  # noqa: E402
from rasterio.env import GDALVersion  # noqa: E402
from rasterio.session import DummySession  # noqa: E402

opened = 0


def operation(url: str) -> None:
    global opened  # pylint: disable=global-statement
    opened += 1
    settings = {"AWS_S3_ENDPOINT": url.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
                "CPL_VSIL_CURL_NON_CACHED": "/vsis3/", "GDAL_HTTP_MAX_RETRY": "0"}
    with rasterio.Env(session=DummySession(), **settings):
        try:
            rasterio.open(f"/vsis3/bucket/{opened}.tif").close()
        except rasterio.errors.RasterioIOError as error:  # it is no image; what counts is the request
            if "not recognized as being in a supported file format" not in str(error):
                raise


s3_loop.run(operation, str(GDALVersion.runtime()))
