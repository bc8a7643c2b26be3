"""The key `config` of each type of provider, and how a secret may be written there.

Read with `providers.py`, which has what all entries have; `secrets.py` has the values
of secrets, `workflows/providers/provider_sources.py` makes sources of it. Rule:
docs/reference/providers.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from d118_pipelines.config.yaml_files import Model

_REFERENCE = re.compile(r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|fernet:[A-Za-z0-9_=-]+)$")


def _check_secret(text: str) -> str:
    if not _REFERENCE.match(text):
        raise ValueError(
            "a secret must not be here in clear text: write ${NAME} of an environment "
            "variable, or fernet:... made by: d118 secrets encrypt"
        )
    return text


Secret = Annotated[str, AfterValidator(_check_secret)]


class ProviderConfig(Model):
    """Base of each type's `config`; snake_case spellings of its keys are accepted."""

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        spelled: dict[str, Any] = {}
        for name, value in values.items():
            known = _spelling(str(name), cls.model_fields)
            if known in spelled:
                raise ValueError(f"{known} is here in two spellings")
            spelled[known] = value
        return spelled


def _spelling(name: str, fields: Mapping[str, Any]) -> str:
    plain = name.replace("_", "").lower()
    return next((f for f in fields if f.replace("_", "").lower() == plain), name)


class TermWindow(Model):
    """How long before its first day and after its last a school year is current."""

    lead_days: int = 21
    tail_days: int = 0


class PowerSchoolConfig(ProviderConfig):
    """Credentials come from `POWERSCHOOL_*`; nothing is required here.

    studentEmailDomain: students' addresses are their number at this domain.
    stateExclude: buildings excluded from state reporting are no orgs of their own.
    """

    term_window: TermWindow = TermWindow()
    studentEmailDomain: str | None = None
    stateExclude: bool = True


class CleverConfig(ProviderConfig):
    """A district token, or the client's id and secret to fetch it with.

    contacts: whether the contacts of students are read too.
    """

    districtId: str
    accessToken: Secret | None = None
    clientId: str | None = None
    clientSecret: Secret | None = None
    apiVersion: Literal["v3.0", "v3.1", "v2.1", "v2.0"] = "v3.0"
    baseUrl: str = "https://api.clever.com"
    tokenUrl: str = "https://clever.com/oauth/tokens"
    contacts: bool = False
    allowEmpty: list[str] = []

    @model_validator(mode="after")
    def _has_login(self) -> Self:
        if self.accessToken is None and not (self.clientId and self.clientSecret):
            raise ValueError("accessToken is missing, or clientId with clientSecret")
        return self


class _RestConfig(ProviderConfig):
    """How the pages of a OneRoster service are read, and what is signed.

    trustTotal: whether the count that it sends is true. endStatus: the status with
    which it answers behind the last row, where that is not an empty page.
    """

    clientId: str | None = None
    clientSecret: Secret | None = None
    signature: Literal["HMAC-SHA1", "HMAC-SHA256"] = "HMAC-SHA1"
    pageSize: int = Field(default=1000, ge=1)
    trustTotal: bool = True
    endStatus: int | None = Field(default=None, ge=400, le=599)
    allowEmpty: list[str] = []


class ClassLinkConfig(_RestConfig):
    """Proxy: a static bearer key. Direct: OAuth 1.0a at the district's own server.

    With a partner key, address and credential of the tenant are looked up with it.
    """

    tenantId: str
    baseUrl: str | None = None
    partnerKey: Secret | None = None
    discoveryUrl: str | None = None
    proxyUrl: str = "https://oneroster-proxy.classlink.io"
    mode: Literal["proxy", "direct"] = "proxy"
    bearer: Secret | None = None
    pageSize: int = Field(default=1000, ge=1, le=10000)

    @model_validator(mode="after")
    def _has_login(self) -> Self:
        if self.partnerKey is not None:
            if self.discoveryUrl is None:
                raise ValueError("partnerKey needs discoveryUrl")
            return self
        if self.baseUrl is None:
            raise ValueError("baseUrl is missing, or partnerKey to look it up with")
        if self.mode == "proxy" and self.bearer is None:
            raise ValueError("mode proxy needs bearer")
        if self.mode == "direct" and not (self.clientId and self.clientSecret):
            raise ValueError("mode direct needs clientId and clientSecret")
        return self


class OneRosterApiConfig(_RestConfig):
    """A OneRoster REST server; OAuth 2 client credentials, or OAuth 1.0a for 1.1."""

    baseUrl: str
    clientId: str
    clientSecret: Secret
    version: Literal["v1p2", "v1p1"] = "v1p2"
    auth: Literal["oauth2", "oauth1"] = "oauth2"
    tokenEndpoint: str | None = None
    scopes: list[str] | None = None
    clientAuth: Literal["basic", "body", "query"] = "basic"
    demographics: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        is_said = "version" in self.model_fields_set  # else the mapping file says it
        if self.auth == "oauth1" and is_said and self.version != "v1p1":
            raise ValueError("auth oauth1 belongs to version v1p1")
        return self


class Sftp(ProviderConfig):
    """A login at an SFTP server; exactly one kind of credential."""

    host: str
    username: str
    port: int = 22
    password: Secret | None = None
    privateKey: Secret | None = None
    privateKeyPath: str | None = None
    knownHosts: str | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        ways = [self.password, self.privateKey, self.privateKeyPath]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of password, privateKey, privateKeyPath")
        return self


class FilesConfig(ProviderConfig):
    """Where files are: on this machine, or in a folder of an SFTP server."""

    path: str | None = None
    sftp: Sftp | None = None
    remotePath: str | None = None

    @model_validator(mode="after")
    def _remote_is_whole(self) -> Self:
        if self.sftp is not None and not self.remotePath:
            raise ValueError("sftp needs remotePath")
        if self.sftp is not None and self.path is not None:
            raise ValueError("give path or sftp, not both")
        return self


class WithoutManifest(Model):
    """How a set is read that has no manifest."""

    version: Literal["1.1", "1.2"]
    mode: Literal["bulk", "delta"]


class OneRosterCsvConfig(FilesConfig):
    """A OneRoster CSV set: a zip, a folder, or a folder or zip on an SFTP server.

    bulkWithStatus: what a bulk file is whose rows have status and date.
    withoutManifest: version and mode of sets that come without a manifest.
    """

    fileNames: dict[str, str] = {}
    bulkWithStatus: Literal["bulk", "delta", "reject"] = "bulk"
    withoutManifest: WithoutManifest | None = None

    @model_validator(mode="after")
    def _has_place(self) -> Self:
        if self.path is None and self.sftp is None:
            raise ValueError("path is missing (a folder or a zip), or sftp")
        return self


FileType = Literal["schools", "classes", "users", "students", "enrollments"]


class CsvConfig(FilesConfig):
    """Plain CSV files; by default those dropped into `D118_HOME/inbox/<provider>/`."""

    files: dict[str, FileType] = {}
    date_order: Literal["mdy", "dmy"] = "mdy"
    encoding: str | None = None


class VendorColumn(ProviderConfig):
    """One column of a vendor's file. header: its name there, by default its own.

    required: a row without a value is left out.
    """

    header: str | None = None
    type: Literal["text", "integer", "number", "date"] = "text"
    required: bool = False


def _column(value: object) -> object:
    """Accept `stop: text` for a column."""
    return {"type": value} if isinstance(value, str) else value


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class VendorTable(ProviderConfig):
    """One file of a vendor, and the extract that is made of it.

    file: its name, or a pattern such as `routes_*.csv`, of which the newest counts.
    key: the columns that no two rows share. max_drop_percent: so many rows fewer than
    in the extract before, or than the file has lines, are held. max_age_hours: an older
    file is held or, with `report`, only a finding.
    """

    file: str
    columns: dict[_Name, Annotated[VendorColumn, BeforeValidator(_column)]] = Field(
        min_length=1
    )
    key: list[str] = []
    max_drop_percent: int = Field(default=20, ge=0, le=100)
    max_age_hours: int | None = Field(default=None, ge=1)
    when_late: Literal["hold", "report"] = "hold"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if unknown := [name for name in self.key if name not in self.columns]:
            raise ValueError(f"key: {', '.join(unknown)} is not one of the columns")
        headers = [self.header_of(name).casefold() for name in self.columns]
        if twice := {one for one in headers if headers.count(one) > 1}:
            raise ValueError(f"columns: {', '.join(sorted(twice))} is read twice")
        if "/" in self.file or "\\" in self.file:
            raise ValueError("file is a name or pattern, without a folder")
        return self

    def header_of(self, column: str) -> str:
        """The name of a column in the file."""
        return self.columns[column].header or column

    def is_needed(self, column: str) -> bool:
        """Whether a row without this column is no row."""
        return self.columns[column].required or column in self.key


class VendorFileConfig(FilesConfig):
    """Files of a vendor; by default those in `D118_HOME/inbox/<provider>/`."""

    files: dict[_Name, VendorTable] = Field(min_length=1)
    date_order: Literal["mdy", "dmy"] = "mdy"
    encoding: str | None = None
