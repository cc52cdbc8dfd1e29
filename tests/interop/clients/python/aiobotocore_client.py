"""aiobotocore: the credentials of one session."""

import asyncio
import json
import sys
import time

import aiobotocore
import aiobotocore.session


async def main(times, interval_s):
    session = aiobotocore.session.get_session()
    credentials = None
    for i in range(times):
        began = time.time()
        line = {"version": aiobotocore.__version__}
        try:
            credentials = credentials or await session.get_credentials()
            if credentials is None:
                raise RuntimeError("get_credentials() is None")
            found = await credentials.get_frozen_credentials()
            line.update(ak=found.access_key, sk=found.secret_key, st=found.token)
        except Exception as error:
            line["err"] = f"{type(error).__name__}: {error}"
        line["ms"] = int((time.time() - began) * 1000)
        print(json.dumps(line), flush=True)
        if i + 1 < times:
            await asyncio.sleep(interval_s)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000))
