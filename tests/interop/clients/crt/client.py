"""The AWS Common Runtime, as awscrt has it, with its default chain."""

import json
import sys
import time

import awscrt
from awscrt import auth, io

ANSWER_S = 60

times, interval_s = int(sys.argv[1]), int(sys.argv[2]) / 1000
provider = auth.AwsCredentialsProvider.new_default_chain(io.ClientBootstrap.get_or_create_static_default())
for left in reversed(range(times)):
    found = {"version": awscrt.__version__}
    start = time.monotonic()
    try:
        credentials = provider.get_credentials().result(ANSWER_S)
        found.update(ak=credentials.access_key_id, sk=credentials.secret_access_key, st=credentials.session_token)
        ends = getattr(credentials, "expiration", None)
        if ends:
            found["exp"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    except Exception as error:  # pylint: disable=broad-exception-caught
        found["err"] = f"{type(error).__name__}: {error}"
    found["ms"] = int((time.monotonic() - start) * 1000)
    print(json.dumps(found), flush=True)
    if left:
        time.sleep(interval_s)
