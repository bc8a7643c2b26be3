"""A Dagster run as the run of a provider that the domain knows.

Belongs here: that translation. Not here: what a step does (`ops/sync.py`).
"""

import dagster as dg

from d118_pipelines.config.providers import Provider
from d118_pipelines.workflows.sync_runs import ProviderRun, actor_of


def provider_run(provider: Provider, run: dg.DagsterRun) -> ProviderRun:
    """The provider's run, and who started it by the run's tags."""
    return ProviderRun(provider, run.run_id, actor_of(run.tags))
