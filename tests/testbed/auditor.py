"""The auditor as a process of its own: it reads one order per line and prints one report per line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from readiness_reports import as_json

from readiness.audit import audit
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        try:
            planned = plan(load_site(Path(order["site"])), load_packs(), only=order["only"])
            document = asyncio.run(audit(planned))
            as_json.seal_digest(document)
            as_json.validate(document)
            told = {"document": document}
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the order's answer)
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
