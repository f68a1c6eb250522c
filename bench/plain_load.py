"""What takes wrk's place where it is not installed: the tests' load, in a process of its own.

`python -m bench.plain_load URL CONNECTIONS`, until SIGINT; prints what bench/wrk.py reads. It knows
no percentiles.
"""

import json
import signal
import sys
import time
from urllib.parse import urlsplit

from tests.support.load import Load


def main() -> None:
    url, connections = sys.argv[1:]
    where = urlsplit(url)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    load = Load(f"http://{where.netloc}", int(connections), path=where.path or "/")
    began = time.monotonic()
    with load:
        signal.sigwait([signal.SIGINT])
        tally = load.stop()
    seconds = time.monotonic() - began
    bad = sum(n for status, n in tally.statuses.items() if not 200 <= status < 300)
    counted = {"requests": tally.answered, "microseconds": int(seconds * 1e6)}
    counted |= {"connect": tally.refused, "read": tally.resets, "write": 0, "timeout": 0}
    counted |= {"status": bad, "max_us": int(tally.slowest * 1e6)}
    sys.stdout.write(f"COUNTED {json.dumps(counted)}\n")


if __name__ == "__main__":
    main()
