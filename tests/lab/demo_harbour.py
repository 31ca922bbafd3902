"""Demo Harbour for tests: the lab, its site as loaded, and vantages of its machines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from readiness.lab.demo import Lab
from readiness.lab.site import State
from readiness.secret import Redactor, resolve
from readiness.site import Site
from readiness.site.load import load_site
from readiness.vantage import Vantages, open_vantages


@dataclass(frozen=True)
class Harbour:
    """A running lab, and what an audit of it would start with."""

    lab: Lab
    site: Site
    vantages: Vantages


@contextlib.asynccontextmanager
async def harbour(folder: Path, state: State = State.BEFORE, *, connect: float = 1.0) -> AsyncIterator[Harbour]:
    """Bring up Demo Harbour below ``folder``; ``connect``: seconds that a connect from its machines may take."""
    async with Lab(folder, state) as lab:
        site = load_site(lab.site_file)
        site = replace(site, limits=replace(site.limits, connect=connect))
        secrets = {ref: resolve(ref) for ref in site.secrets}
        vantages = await open_vantages(site.access, limits=site.limits, secrets=secrets, redact=Redactor())
        try:
            yield Harbour(lab, site, vantages)
        finally:
            await vantages.close()
