"""The wiring of the Dagster project, and only that."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from d118_pipelines.assets.deliveries import delivery_asset
from d118_pipelines.assets.exports import export_assets
from d118_pipelines.assets.freshness import longest_wait, provider_freshness
from d118_pipelines.assets.pulls import pull_assets, query_asset
from d118_pipelines.assets.reports import disclosure_report, renewal_sensor, retention
from d118_pipelines.assets.results import results_asset
from d118_pipelines.assets.roster import apply_key, roster_assets
from d118_pipelines.assets.staged import staged_assets, staged_entities
from d118_pipelines.config.env_file import renew_env_file
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import (
    PowerSchoolProvider,
    Provider,
    VendorFileProvider,
)
from d118_pipelines.jobs import (
    approve,
    cleanup_job,
    misconfigured_job,
    sync_job,
    target_job,
)
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.loggers import console_logger
from d118_pipelines.resources import run_resource
from d118_pipelines.schedules import (
    cleanup_schedule,
    misconfigured_schedule,
    provider_schedule,
    target_schedule,
)
from d118_pipelines.sensors import (
    alert_sensor,
    arrival_sensor,
    configuration_sensor,
    daemon_ping_sensor,
    lost_run_sensor,
    run_alert_sensor,
    send_webhook_notification,
)
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds
from d118_pipelines.workflows.providers.powerschool_source import (
    read_query,
    target_queries,
)
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.providers.provider_sources import (
    collections_of,
    provider_mapping,
)
from d118_pipelines.workflows.targets.export_inputs import roster_relations


def build_definitions(
    project: Project, resources: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Everything that Dagster loads; `resources` overrides the defaults by name.

    What is misconfigured has a job that says so, and stops nothing else.
    Raises: ConfigurationError of config/district.yaml.
    """
    district, feeds = project.district(), load_feeds(project)
    targets = feeds.targets
    enabled = [one for one in feeds.providers if one.model.enabled]
    files = {one.id for one in enabled if isinstance(one.model, VendorFileProvider)}
    applies = [apply_key(one) for one in enabled if one.id not in files]
    arrivals = [arrival_sensor(provider, project) for provider in enabled]
    sending = [delivery_asset(target, district) for target in targets]
    assets = [
        *(query_asset(query) for query in target_queries(project, targets, enabled)),
        *(asset for one in enabled for asset in _assets_of(one, project)),
        *(
            export_assets(one, applies if roster_relations(one, district) else ())
            for one in targets
        ),
        *sending,
        *(results_asset(target) for target in targets if target.model.results),
        disclosure_report(feeds, [one.key for one in sending]),
        retention,
    ]
    # A target takes the newest file of a vendor; its own run does not ask for another.
    made = {k for one in assets for k in one.keys if k.path[1] not in files}
    jobs = [
        approve,
        cleanup_job(district.id),
        *(target_job(target, district.id, made) for target in targets),
        *(sync_job(provider, district.id) for provider in enabled),
    ]
    schedules = [
        cleanup_schedule(project),
        *(target_schedule(target, project) for target in targets),
        *(provider_schedule(provider, project) for provider in enabled),
    ]
    for broken in feeds.broken:
        job = misconfigured_job(broken, {one.name for one in jobs})
        jobs.append(job)
        schedules.append(misconfigured_schedule(broken, job.name, project))
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=[schedule for schedule in schedules if schedule],
        sensors=[
            run_alert_sensor,
            configuration_sensor,
            lost_run_sensor,
            renewal_sensor,
            send_webhook_notification,
            alert_sensor,
            daemon_ping_sensor,
            *(sensor for sensor in arrivals if sensor),
        ],
        resources={"project": project, "run": run_resource, **(resources or {})},
        loggers={"console": console_logger},
        executor=dg.in_process_executor,
    )


def _assets_of(provider: Provider, project: Project) -> list[dg.AssetsDefinition]:
    """A provider's assets, from its raw extracts to the roster."""
    collections = collections_of(project, provider)
    zone = project.district().zone
    freshness = provider_freshness(provider, zone)
    if isinstance(provider.model, VendorFileProvider):
        return [pull_assets(provider, collections, freshness=freshness)]
    mapping = provider_mapping(project, provider)
    entities = staged_entities(provider, mapping)
    is_sis = isinstance(provider.model, PowerSchoolProvider)
    queries = {n: read_query(project, n) for n in collections} if is_sis else {}
    blackouts = ProviderFeed(project, provider).blackouts
    waits = longest_wait(blackouts, utc_now().astimezone(zone).date())
    raw = pull_assets(provider, collections, queries)
    staged = staged_assets(provider, collections, entities, mapping, freshness)
    apply = provider_freshness(provider, zone, waits)
    return [raw, staged, *roster_assets(provider, entities, freshness, apply)]


renew_env_file(Project.here().root)
defs = build_definitions(Project.here())
