"""Makes the queues and the bucket that the fleet needs. With --check: is the emulator there?"""

import json
import os
import sys
import urllib.request

EMULATOR = "http://aws:4566"
LANES = ["transcode-high", "transcode-normal", "transcode-low", "noop-high", "noop-normal", "noop-low"]


def ask(path, body=None, method="GET", **headers):
    request = urllib.request.Request(EMULATOR + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read()


if "--check" in sys.argv:
    EMULATOR = "http://127.0.0.1:4566"
    ask("/_ministack/health")
    sys.exit()

# The last part of the base address, as in `reelfleet config`.
base = os.environ["SQS_QUEUE_URL"].rsplit("/", 1)[-1]
bucket = os.environ["S3_BUCKET"]
if not base or not bucket:
    sys.exit("SQS_QUEUE_URL and S3_BUCKET are needed in .env: see docs/OPERATIONS.md, With containers")

for lane in [*LANES, "dead"]:
    queue = json.dumps({"QueueName": f"{base}-{lane}"}).encode()
    target = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    ask("/", queue, "POST", **target)
ask(f"/{bucket}", method="PUT")
print(f"queues {base}-*, bucket {bucket}")
