"""How many cases of the widest tests `make test` runs; `make test-long` runs the rest.

Called by `conftest.py`. The first cases of a test are its usual ones. Whole tests that
are long have the mark `long` where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

SHORT = {
    "assets/test_killed_rosters.py::test_a_run_killed_before_its_apply_leaves_the_roster": 0,
    "assets/test_killed_rosters.py::test_a_run_killed_in_its_apply_leaves_the_roster": 1,
    "delivery/scim/test_real_service.py::test_a_server_killed_in_the_middle_has_every_user_once_in_the_end": 0,
    "delivery/scim/test_real_service.py::test_users_are_created_changed_deactivated_and_reactivated": 1,
    "delivery/test_broken_connections.py::test_cut_for_good_leaves_whole_files_and_the_next_run_finishes": 3,
    "delivery/test_broken_connections.py::test_one_cut_costs_one_attempt": 4,
    "faults/test_canaries.py::test_alerts_of_the_daemon_hold_no_secret_and_no_person": 0,
    "faults/test_canaries.py::test_failed_or_held_run_leaves_no_secret_and_no_person": 1,
    "roster/planning/test_matching.py::test_every_combination_of_hits": 0,
    "roster/staging/test_rules.py::test_a_reject_is_listed_with_its_code": 8,
    "sources/oneroster_rest/test_whole_pulls.py::test_d4_whatever_page_fails_no_pull_is_stored": 20,
    "targets/oneroster/test_examples.py::test_the_example_comes_out_byte_for_byte": 1,
    "workflows/targets/test_scim.py::test_a_server_killed_in_the_middle_converges_after_its_restart": 0,
    "workflows/targets/test_scim_destinations.py::test_state_and_ledger_are_the_same_on_postgresql": 0,
}
"""Test -> how many of its cases are short."""


def mark_the_rest(items: Sequence[pytest.Item]) -> None:
    """Mark as `long` what comes after the short cases of a test."""
    seen: Counter[str] = Counter()
    for item in items:
        name = item.nodeid.partition("[")[0].partition("d118_pipelines_tests/")[2]
        seen[name] += 1
        if seen[name] > SHORT.get(name, seen[name]):
            item.add_marker(pytest.mark.long)
