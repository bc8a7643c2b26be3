"""Rows as SCIM users."""

from __future__ import annotations

import pytest
from scim2_models import Context, EnterpriseUser, User

from d118_pipelines.delivery.scim.resource import (
    ENTERPRISE,
    check_columns,
    removed_paths,
    user_resource,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.support.scim_users import row


def test_a_row_becomes_a_user_that_the_models_accept_and_write_alike() -> None:
    body = user_resource(
        row(7, title="Teacher", userType="staff", enterprise__department="Oak")
    )

    model = User[EnterpriseUser].model_validate(body)

    assert model.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST) == body
    assert body["active"] is True
    assert body["name"] == {"givenName": "Given", "familyName": "Family7"}
    assert body[ENTERPRISE] == {"employeeNumber": "000007", "department": "Oak"}
    assert body["schemas"][1] == ENTERPRISE


def test_blank_columns_are_left_out_and_so_is_an_empty_extension() -> None:
    body = user_resource(
        row(7, enterprise__employeeNumber=None, title="", active="false")
    )

    assert ENTERPRISE not in body
    assert body["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert "title" not in body
    assert body["active"] is False


def test_the_first_address_is_the_primary_one() -> None:
    both = user_resource(row(7, emails__home="home@d118.example"))
    home = user_resource(row(7, emails__work=None, emails__home="home@d118.example"))

    assert [entry["primary"] for entry in both["emails"]] == [True, False]
    assert home["emails"] == [
        {"value": "home@d118.example", "type": "home", "primary": True}
    ]


def test_attributes_that_lost_their_value_are_named_by_their_paths() -> None:
    before = row(7, title="Teacher", name__middleName="M", emails__home="h@d.example")
    after = row(7, title=None, emails__home=None, enterprise__employeeNumber="9")

    assert set(removed_paths(before, after)) == {"title", "name.middleName"}
    assert removed_paths(after, before) == ()
    assert removed_paths(row(7), row(7, enterprise__employeeNumber="")) == (ENTERPRISE,)
    assert removed_paths(
        row(7, enterprise__department="Oak"), row(7, enterprise__department=None)
    ) == (f"{ENTERPRISE}:department",)


def test_columns_that_are_no_attributes_are_refused_by_name() -> None:
    check_columns(row(7))

    with pytest.raises(ConfigurationError, match=r"emails\.private.*userName"):
        check_columns(["externalId", "active", "emails.private", "title"])
