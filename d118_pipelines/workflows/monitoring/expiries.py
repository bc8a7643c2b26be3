"""What ends soon: tokens, keys, passwords, certificates, agreements.

Called by `sensors.py` for alerts and by `digest.py`. Dates come from `expires` of the
district, a provider or a target, and from `disclosure.agreement_ends`.
Rule: docs/reference/alerts.md, expiries.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from d118_pipelines.config.hearing import Hearing
from d118_pipelines.config.project import Project
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.workflows.monitoring.all_feeds import Feeds


@dataclass(frozen=True, slots=True)
class Expiry:
    """of: the district, a provider or a target. what ends on that day; None: its
    certificate cannot be read.
    """

    of: str
    what: str
    on: dt.date | None


def expiries(project: Project, feeds: Feeds) -> Iterator[Expiry]:
    """All that is known to end, in the order of the files."""
    hearings: list[tuple[str, Hearing]] = [("the district", project.district())]
    hearings += [(p.id, p.model) for p in feeds.providers if p.model.enabled]
    hearings += [(t.name, t.model) for t in feeds.targets]
    for of, hearing in hearings:
        for what, when in hearing.expires.items():
            yield Expiry(of, what, _day(project, when))
    for target in feeds.targets:
        disclosure = target.model.disclosure
        if disclosure and disclosure.agreement_ends:
            yield Expiry(target.name, "agreement", disclosure.agreement_ends)


def expiry_alerts(project: Project, feeds: Feeds, today: dt.date) -> list[Alert]:
    """One for each that ends within the district's days, and again once it has ended."""
    days = project.district().alerts.expiry_days
    alerts = []
    for one in expiries(project, feeds):
        left = (one.on - today).days if one.on else 0
        if left > days:
            continue
        name = f"{one.what} of {one.of}"
        if one.on is None:
            title = f"EXPIRES: the certificate {name} cannot be read"
        elif left < 0:
            title = f"EXPIRED: {name}, on {one.on}"
        else:
            title = f"EXPIRES: {name}, on {one.on}"
        text = f"{title.partition(': ')[2]}.\n  Next: renew it, then correct `expires` or `agreement_ends`."
        alerts.append(Alert("expires", title, title, text))
    return alerts


def _day(project: Project, when: str) -> dt.date | None:
    """The date itself, or that of the earliest certificate in a PEM file."""
    try:
        return dt.date.fromisoformat(when)
    except ValueError:
        pass
    from cryptography import x509  # heavy: only where a certificate is named

    try:
        data = (project.root / when).read_bytes()
        found = x509.load_pem_x509_certificates(data)
        return min(one.not_valid_after_utc.date() for one in found)
    except (OSError, ValueError):
        return None


def expiries_shown(project: Project, feeds: Feeds) -> str:
    """All of them in one line, the first to end first.

    Raises: ConfigurationError naming what has no date and no certificate.
    """
    found = list(expiries(project, feeds))
    bad = [f"{one.what} of {one.of}" for one in found if one.on is None]
    if bad:
        raise ConfigurationError(
            f"No date and no certificate in PEM form: {', '.join(bad)}.",
            rule="expires has dates as 2030-01-31, or paths below the project.",
        )
    dated = sorted((one.on, f"{one.what} of {one.of}") for one in found if one.on)
    return ", ".join(f"{name} {day}" for day, name in dated) or "nothing is noted"
