"""minio for Python: its chain of providers as an app writes it. MINIO_ENDPOINT is the option for the metadata service."""

import json
import os
import sys
import time

import minio
from minio.credentials import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider


def main(times, interval_s):
    chain = ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider(custom_endpoint=os.environ.get("MINIO_ENDPOINT"))])
    for i in range(times):
        began = time.time()
        line = {"version": minio.__version__}
        try:
            found = chain.retrieve()
            line.update(ak=found.access_key, sk=found.secret_key, st=found.session_token)
        except Exception as error:
            line["err"] = f"{type(error).__name__}: {error}"
        line["ms"] = int((time.time() - began) * 1000)
        print(json.dumps(line), flush=True)
        if i + 1 < times:
            time.sleep(interval_s)


main(int(sys.argv[1]), int(sys.argv[2]) / 1000)
