"""Whatever the OpenAPI description allows, and what it does not: nothing fails with 500."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from d118_pipelines_tests.support.console import URL, RunningConsole

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
EXAMPLES = 5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_no_request_fails_with_500(own_console: RunningConsole, mode: str) -> None:
    import schemathesis
    from hypothesis import given
    from schemathesis import GenerationMode

    program = own_console.program()
    described = program.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    wanted = GenerationMode(mode)
    cases = [
        found.ok().as_strategy(generation_mode=wanted)
        for found in schema.get_all_operations()
        if found.ok() is not None
    ]
    assert len(cases) >= 20
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES * len(cases),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(cases))
    def send(case: schemathesis.Case) -> None:
        sent = case.as_transport_kwargs(base_url=URL)
        sent.pop("cookies", None)
        answer = program.request(**sent)
        seen.add(answer.status_code)
        assert answer.status_code != 500, (case.method, case.formatted_path)

    send()
    assert len(seen) > 2  # it was heard, and not always refused alike
