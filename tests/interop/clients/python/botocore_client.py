"""botocore, of any version: the credentials of one session."""

import json
import sys
import time

import botocore
import botocore.session


def main(times, interval_s):
    session = botocore.session.Session()
    credentials = None
    for i in range(times):
        began = time.time()
        line = {"version": botocore.__version__}
        try:
            credentials = credentials or session.get_credentials()
            if credentials is None:
                raise RuntimeError("get_credentials() is None")
            found = credentials.get_frozen_credentials()
            line.update(ak=found.access_key, sk=found.secret_key, st=found.token, how=credentials.method)
            ends = getattr(credentials, "_expiry_time", None)
            if ends:
                line["exp"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
        except Exception as error:
            line["err"] = "%s: %s" % (type(error).__name__, error)
        line["ms"] = int((time.time() - began) * 1000)
        print(json.dumps(line), flush=True)
        if i + 1 < times:
            time.sleep(interval_s)


main(int(sys.argv[1]), int(sys.argv[2]) / 1000)
