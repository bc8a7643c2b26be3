"""The source behind a provider's entry: its address, its credentials, its collections.

Called by `sync.py`, `arrivals.py` and the command line; how each source reads is in
`sources/`, which PowerSchool it is in `powerschool_source.py`. Values of secrets are
resolved when a source is made, never when definitions load.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_types import FilesConfig, OneRosterCsvConfig
from d118_pipelines.config.providers import (
    ClassLinkProvider,
    CleverProvider,
    CsvProvider,
    OneRosterApiProvider,
    OneRosterCsvProvider,
    PowerSchoolProvider,
    Provider,
    VendorFileProvider,
)
from d118_pipelines.config.secrets import resolved
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.model.mapping import MappingFile, read_mapping
from d118_pipelines.roster.staging.powerschool import RAW_COLLECTIONS
from d118_pipelines.workflows.providers.api_settings import (
    check_api,
    clever_version,
    oneroster_api,
)
from d118_pipelines.workflows.providers.powerschool_source import (
    read_query,
    roster_queries,
)

if TYPE_CHECKING:
    from d118_pipelines.sources.http.client import Auth, HttpClient
    from d118_pipelines.sources.oneroster_csv.manifest import Assumed
    from d118_pipelines.sources.pull import RosterSource
    from d118_pipelines.ssh.settings import SftpSettings


def provider_mapping(project: Project, provider: Provider) -> MappingFile:
    """The provider's mapping file. Raises: ConfigurationError with file, line, key."""
    mapping = read_mapping(
        project.file(provider.model.mapping_file), project_root=project.root
    )
    check_api(provider, mapping)
    return mapping


def check_provider(project: Project, provider: Provider) -> None:
    """Raise ConfigurationError unless every file that an enabled provider names is sound."""
    if isinstance(provider.model, VendorFileProvider):
        _check_columns(provider, provider.model)
        return
    provider_mapping(project, provider)
    if isinstance(provider.model, PowerSchoolProvider):
        for name in RAW_COLLECTIONS:
            read_query(project, name)
    if isinstance(provider.model, CsvProvider):
        from d118_pipelines.sources.csv_files.rules import read_rules

        read_rules(project.file(provider.model.mapping_file))


def _check_columns(provider: Provider, model: VendorFileProvider) -> None:
    """Raise ConfigurationError for a column that is never kept, whoever sends it."""
    from d118_pipelines.sources.denied import is_denied

    for name, table in model.config.files.items():
        for column in table.columns:
            if is_denied(column) or is_denied(table.header_of(column)):
                raise ConfigurationError(
                    f"The column {column} of {name} may not be read.",
                    where=provider.where,
                    rule="Such a field is never kept, whatever a source sends.",
                    not_done="Nothing of this provider was started.",
                    next_step="Remove the column, then run: d118 doctor",
                )


def wanted_entities(provider: Provider) -> list[str]:
    """The entities that are read: the switches, demographics only where asked for."""
    entities = provider.model.entities
    model = provider.model
    if isinstance(model, OneRosterApiProvider) and model.config.demographics:
        return entities
    is_api = isinstance(model, OneRosterApiProvider | ClassLinkProvider)
    return [e for e in entities if not (is_api and e == "demographics")]


def collections_of(project: Project, provider: Provider) -> list[str]:
    """The raw collections of a provider, in the order in which they are read."""
    match provider.model:
        case PowerSchoolProvider():
            return list(RAW_COLLECTIONS)
        case CleverProvider():
            from d118_pipelines.sources.clever.source import CleverSource

            return list(CleverSource.collections)
        case OneRosterCsvProvider():
            from d118_pipelines.sources.oneroster_csv.tables import COLLECTIONS

            return list(COLLECTIONS)
        case CsvProvider():
            from d118_pipelines.sources.csv_files.rules import (
                COLLECTIONS as CSV_COLLECTIONS,
            )

            return list(CSV_COLLECTIONS)
        case VendorFileProvider():
            return list(provider.model.config.files)
        case _:
            return list(rest_paths(project, provider))


def host_pool(provider: Provider) -> str:
    """The pool of the vendor's host: runs against one host queue for each other."""
    if isinstance(provider.model, PowerSchoolProvider):
        return "sis_oracle"
    config = provider.model.config
    sftp = getattr(config, "sftp", None)
    address = getattr(config, "baseUrl", None) or (sftp.host if sftp else provider.id)
    host = urlsplit(address).hostname or address.lower()
    return f"host_{re.sub(r'[^a-z0-9]+', '_', host).strip('_')}"


def rest_paths(project: Project, provider: Provider) -> dict[str, str]:
    """Collection -> path below the base address, as the mapping file says."""
    wanted = wanted_entities(provider)
    return {
        endpoint.collection: endpoint.path
        for endpoint in provider_mapping(project, provider).endpoints
        if endpoint.path and endpoint.entity in wanted
    }


def provider_source(project: Project, provider: Provider) -> RosterSource:
    """The source, ready to be tested or pulled.

    Raises: MissingSecretError, ConfigurationError.
    """
    match provider.model:
        case OneRosterApiProvider():
            return _oneroster(project, provider)
        case ClassLinkProvider():
            return _classlink(project, provider)
        case CleverProvider():
            return _clever(project, provider)
        case OneRosterCsvProvider():
            return _bundle(project, provider)
        case CsvProvider():
            return _csv(project, provider)
        case VendorFileProvider():
            return _vendor_files(project, provider)
        case PowerSchoolProvider():
            return roster_queries(project)


def _values(provider: Provider, config: Any) -> dict[str, Any]:
    """The entry's `config` with every reference resolved."""
    needed = f"the provider {provider.id}"
    return {
        name: resolved(value, needed_for=needed) if isinstance(value, str) else value
        for name, value in ((n, getattr(config, n)) for n in type(config).model_fields)
    }


def _http(provider: Provider, base_url: str, auth: Auth) -> HttpClient:
    from d118_pipelines.sources.http.client import HttpClient
    from d118_pipelines.sources.http.transport import HttpLimits

    return HttpClient(
        base_url,
        auth=auth,
        limits=HttpLimits(read=_number("ONEROSTER_TIMEOUT", 30.0)),
        requests_per_minute=provider.model.limits.requests_per_minute,
    )


def _oauth1(given: Mapping[str, Any]) -> Auth:
    from d118_pipelines.sources.http.oauth1 import OAuth1

    key, secret = given["clientId"], given["clientSecret"]
    return OAuth1(key, secret, method=given["signature"])


def _oneroster(project: Project, provider: Provider) -> RosterSource:
    from d118_pipelines.sources.http.oauth2 import ClientCredentials
    from d118_pipelines.sources.oneroster_rest.rest import OneRosterSource

    given = _values(provider, provider.model.config)
    api = oneroster_api(provider, provider_mapping(project, provider))
    base = str(given["baseUrl"]).rstrip("/")
    auth = (
        _oauth1(given)
        if api.auth == "oauth1"
        else ClientCredentials(
            given["tokenEndpoint"] or f"{base}/oauth/token",
            given["clientId"],
            given["clientSecret"],
            scopes=api.scopes,
            fallback_scope=api.fallback_scope,
            client_auth=given["clientAuth"],
        )
    )
    return OneRosterSource(
        provider.model.name,
        _http(provider, base, auth),
        version=api.version,
        **_rest_options(project, provider, given),
    )


def _classlink(project: Project, provider: Provider) -> RosterSource:
    from d118_pipelines.sources.http.bearer import Bearer
    from d118_pipelines.sources.oneroster_rest.classlink import (
        DiscoveredSource,
        classlink_source,
        direct_base_url,
    )

    given = _values(provider, provider.model.config)
    options = _rest_options(project, provider, given)
    is_direct = given["mode"] == "direct"
    if given["partnerKey"]:
        return DiscoveredSource(
            provider.model.name,
            _http(provider, given["discoveryUrl"], Bearer(given["partnerKey"])),
            given["tenantId"],
            partial(_http, provider),
            is_direct=is_direct,
            signature_method=given["signature"],
            proxy=given["proxyUrl"],
            **options,
        )
    auth = _oauth1(given) if is_direct else Bearer(given["bearer"])
    client = _http(provider, direct_base_url(given["baseUrl"]), auth)
    return classlink_source(provider.model.name, client, **options)


def _rest_options(
    project: Project, provider: Provider, given: Mapping[str, Any]
) -> dict[str, Any]:
    from d118_pipelines.sources.oneroster_rest.paging import Paging

    return {
        "paths": rest_paths(project, provider),
        "paging": Paging(
            page_size=given["pageSize"],
            trust_total=given["trustTotal"],
            end_status=given["endStatus"],
        ),
        "allow_empty": given["allowEmpty"],
    }


def _clever(project: Project, provider: Provider) -> RosterSource:
    from d118_pipelines.sources.clever.source import CleverSource, school_year_of

    given = _values(provider, provider.model.config)
    return CleverSource(
        district_id=given["districtId"],
        access_token=given["accessToken"],
        client_id=given["clientId"],
        client_secret=given["clientSecret"],
        api_version=clever_version(provider, provider_mapping(project, provider)),
        base_url=given["baseUrl"],
        token_url=given["tokenUrl"],
        with_contacts=given["contacts"],
        allow_empty=given["allowEmpty"],
        school_year=school_year_of(
            utc_now().astimezone(project.district().zone).date()
        ),
        rate_limit=_number("CLEVER_RATE_LIMIT", 0.2),
        requests_per_minute=provider.model.limits.requests_per_minute,
    )


def _bundle(project: Project, provider: Provider) -> RosterSource:
    from d118_pipelines.sources.oneroster_csv.modes import Rules
    from d118_pipelines.sources.oneroster_csv.place import LocalPlace, Place, SftpPlace
    from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource

    assert isinstance(provider.model, OneRosterCsvProvider)
    config, login = provider.model.config, sftp_login(project, provider)
    place: Place
    if login is None:
        place = LocalPlace(local_folder(project, provider))
    else:
        place = SftpPlace(login, has_manifest=config.withoutManifest is None)
    return OneRosterCsvSource(
        place,
        file_names=config.fileNames,
        rules=Rules(bulk_with_status=config.bulkWithStatus),
        assumed=assumed_manifest(config),
    )


def assumed_manifest(config: OneRosterCsvConfig) -> Assumed | None:
    """Version and mode of sets without manifest, where the provider names them."""
    from d118_pipelines.sources.oneroster_csv.manifest import Assumed

    said = config.withoutManifest
    return Assumed(said.version, said.mode) if said else None


def _csv(project: Project, provider: Provider) -> RosterSource:
    from d118_pipelines.sources.csv_files.remote import fetched
    from d118_pipelines.sources.csv_files.rules import read_rules
    from d118_pipelines.sources.csv_files.source import CsvSource

    assert isinstance(provider.model, CsvProvider)
    config = provider.model.config
    district = project.district()
    largest = largest_file()
    source_of = partial(
        CsvSource,
        rules=read_rules(project.file(provider.model.mapping_file)),
        files=config.files,
        encoding=config.encoding,
        date_order=config.date_order,
        max_file_size=largest,
        district=(district.id, district.name),
    )
    login = sftp_login(project, provider)
    if login is None:
        return source_of(local_folder(project, provider))
    scratch = project.folder("tmp")
    return source_of(partial(fetched, login, max_file_size=largest, scratch=scratch))


def _vendor_files(project: Project, provider: Provider) -> RosterSource:
    from contextlib import AbstractContextManager, nullcontext

    from d118_pipelines.sources.csv_files.remote import fetched
    from d118_pipelines.sources.vendor_file.source import VendorFileSource, is_wanted

    assert isinstance(provider.model, VendorFileProvider)
    config = provider.model.config
    login = sftp_login(project, provider)

    def place() -> AbstractContextManager[Path]:
        if login is None:
            return nullcontext(local_folder(project, provider))
        return fetched(
            login,
            max_file_size=largest_file(),
            scratch=project.folder("tmp"),
            wanted=lambda file: any(
                is_wanted(file.name, table.file) for table in config.files.values()
            ),
        )

    return VendorFileSource(
        place,
        config.files,
        encoding=config.encoding,
        date_order=config.date_order,
        max_file_size=largest_file(),
    )


def largest_file() -> int:
    """Bytes that a file from outside may have at most."""
    return int(_number("CSV_MAX_FILE_SIZE", 104_857_600))


def local_folder(project: Project, provider: Provider) -> Path:
    """Where a provider of files has them: `path`, else its inbox."""
    named = getattr(provider.model.config, "path", None)
    if named:
        needed = f"the provider {provider.id}"
        return project.root / resolved(named, needed_for=needed)
    return project.folder("inbox", provider.id)


def sftp_login(project: Project, provider: Provider) -> SftpSettings | None:
    """What opens the folder of a provider of files; None where it is on this machine.

    Raises: ConfigurationError.
    """
    from d118_pipelines.ssh.address import Address
    from d118_pipelines.ssh.settings import SftpSettings

    config = provider.model.config
    if not isinstance(config, FilesConfig) or config.sftp is None:
        return None
    given = _values(provider, config.sftp)
    where = f"sftp of {provider.id} ({provider.where})"
    return SftpSettings(
        address=Address(given["host"], given["port"]),
        username=given["username"],
        password=given["password"],
        key_file=project.root / given["privateKeyPath"]
        if given["privateKeyPath"]
        else None,
        key_passphrase=None,
        key_text=given["privateKey"],
        known_hosts=project.root / (given["knownHosts"] or "known_hosts"),
        directory=config.remotePath or ".",
        describe=where,
        describe_login=where,
    )


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if value < 0:
        raise ConfigurationError(
            f"{variable} is not a number of 0 or more.",
            next_step=f"Correct {variable} in .env, or remove it.",
        )
    return value
