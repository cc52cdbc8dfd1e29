"""Retrieves credentials with the botocore of this interpreter; prints who they are for and how long they last: nothing secret."""

from __future__ import annotations

import json
import sys

import botocore
import botocore.session

credentials = botocore.session.Session().get_credentials()
if credentials is None:
    sys.exit("no credentials")
frozen = credentials.get_frozen_credentials()
print(json.dumps({"accessKeyId": frozen.access_key, "complete": bool(frozen.secret_key and frozen.token),
                  "source": credentials.method, "version": botocore.__version__}))
