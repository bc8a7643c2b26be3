"""What is typed into a form becomes a sound `config`."""

from __future__ import annotations

import pytest

from d118_pipelines.config.provider_forms import TYPES, config_of, form_of
from d118_pipelines.config.provider_types import VendorFileConfig
from d118_pipelines.errors import ConfigurationError

FIELDS = form_of("VENDOR_FILE")[1]
TYPED = {
    "table": "routes",
    "file": "routes_*.csv",
    "columns": "Employee No: integer, Route,Starts (day) : Date",
    "key": "employee no, Route",
}


def test_columns_are_typed_as_the_file_has_them() -> None:
    config = VendorFileConfig.model_validate(config_of(FIELDS, TYPED))

    table = config.files["routes"]
    assert {name: (c.header, c.type) for name, c in table.columns.items()} == {
        "employee_no": ("Employee No", "integer"),
        "route": ("Route", "text"),
        "starts_day": ("Starts (day)", "date"),
    }
    assert (table.file, table.key) == ("routes_*.csv", ["employee_no", "route"])
    assert config.sftp is None


def test_server_of_a_vendors_file_is_asked_for_and_may_stay_empty() -> None:
    login = {"sftp.host": "h.example", "sftp.username": "u", "remotePath": "out"}

    made = config_of(FIELDS, TYPED | login | {"sftp.port": "2222"})

    assert made["sftp"] == {"host": "h.example", "username": "u", "port": 2222}
    assert {f.key for f in FIELDS if f.is_required} == {"table", "file", "columns"}


def test_columns_without_their_file_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="name in SQL"):
        config_of(FIELDS, {"columns": "Route"})


def test_forms_of_other_types_keep_their_keys() -> None:
    _, fields = TYPES["ONEROSTER_CSV"]

    assert config_of(fields, {"sftp.host": "h", "remotePath": "in"}) == {
        "sftp": {"host": "h"},
        "remotePath": "in",
    }
