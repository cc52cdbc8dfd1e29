"""DuckDB, with the extensions httpfs and aws: a secret of its provider credential_chain, which is the AWS SDK for C++.

The credentials are resolved when the secret is made. DuckDB asks again once S3 has refused a request that was signed with it.
"""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import s3_loop  # noqa: E402

import duckdb  # noqa: E402

connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for name in ("httpfs", "aws"):
    pattern = os.path.join(sys.prefix, f"lib/python3*/site-packages/duckdb_extension_{name}/extensions/*/{name}.duckdb_extension")
    connection.execute(f"LOAD '{glob.glob(pattern)[0]}'")
made = False


def operation(url: str) -> None:
    global made  # pylint: disable=global-statement
    if not made:
        endpoint = url.removeprefix("http://")
        connection.execute(f"CREATE SECRET s (TYPE s3, PROVIDER credential_chain, REFRESH auto, ENDPOINT '{endpoint}', "
                           "USE_SSL false, URL_STYLE 'path', REGION 'eu-central-1')")
        made = True
    connection.execute("SELECT * FROM read_csv('s3://bucket/x.csv')").fetchall()


s3_loop.run(operation, duckdb.__version__)
