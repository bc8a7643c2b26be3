"""How many cases of the widest tests `make test` runs; `make test-long` runs the rest.

Called by `conftest.py`. The first cases of a test are its usual ones. Whole tests that are
long have the mark `long` where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

SHORT = {
    "assets/test_killed_rosters.py::test_a_run_killed_before_its_apply_leaves_the_roster": 0,
    "assets/test_killed_rosters.py::test_a_run_killed_in_its_apply_leaves_the_roster": 1,
    "assets/test_killed_rosters.py::test_a_run_killed_in_its_apply_on_each_engine": 1,
    "assets/test_killed_rosters.py::test_of_two_runs_at_once_one_ends_well_and_nothing_is_doubled": 1,
    "console/test_services.py::test_all_services_end_with_the_launcher": 1,
    "delivery/scim/test_real_service.py::test_a_server_killed_in_the_middle_has_every_user_once_in_the_end": 0,
    "delivery/scim/test_real_service.py::test_users_are_created_changed_deactivated_and_reactivated": 1,
    "delivery/test_broken_connections.py::test_cut_for_good_leaves_whole_files_and_the_next_run_finishes": 3,
    "delivery/test_broken_connections.py::test_one_cut_costs_one_attempt": 4,
    "delivery/test_slow_servers.py::test_frozen_upload_ends_at_the_limit_that_comes_first": 1,
    "delivery/test_slow_servers.py::test_server_that_freezes_before_the_folder_is_open_is_given_up": 1,
    "docs/test_commands.py::test_every_command_of_the_page_succeeds": 1,
    "docs/test_postgresql.py::test_history_and_roster_are_on_the_server": 1,
    "faults/test_canaries.py::test_alerts_of_the_daemon_hold_no_secret_and_no_person": 0,
    "faults/test_canaries.py::test_failed_or_held_run_leaves_no_secret_and_no_person": 1,
    "faults/test_canaries.py::test_good_run_keeps_people_to_extracts_exports_and_the_last_line": 1,
    "faults/test_delivery_failures.py::test_failed_delivery_changes_nothing_and_the_next_run_is_as_if_it_never_was": 8,
    "faults/test_runs_together.py::test_of_two_commands_at_once_one_proceeds_and_one_is_busy": 1,
    "faults/test_runs_together.py::test_of_two_syncs_of_powerschool_at_once_never_both_fail": 1,
    "golden/test_golden_rosters.py::test_staged_frames_are_those_written_by_hand": 2,
    "roster/planning/test_matching.py::test_every_combination_of_hits": 0,
    "roster/staging/test_rules.py::test_a_reject_is_listed_with_its_code": 8,
    "roster/staging/test_rules.py::test_a_warning_loses_no_row": 12,
    "roster/store/test_transactions.py::test_a_killed_apply_leaves_nothing_and_the_next_one_all": 1,
    "sources/oneroster_rest/test_whole_pulls.py::test_d4_whatever_page_fails_no_pull_is_stored": 20,
    "sources/powerschool/test_oracle_like_embedded.py::test_driver_and_files_give_the_same_rows": 1,
    "sources/powerschool/test_roster_queries.py::test_driver_and_files_give_the_same_rows": 4,
    "targets/oneroster/test_delta.py::test_bulk_and_delta_are_the_next_bulk": 1,
    "targets/oneroster/test_demonstration.py::test_the_demonstration_district_is_delivered_and_strictly_right": 1,
    "targets/oneroster/test_examples.py::test_the_example_comes_out_byte_for_byte": 1,
    "targets/oneroster/test_round_trip.py::test_what_went_out_comes_back": 1,
    "targets/oneroster/test_strict.py::test_a_set_passes_a_strict_reader_and_the_importer": 2,
    "workflows/test_scim.py::test_a_server_killed_in_the_middle_converges_after_its_restart": 0,
    "workflows/test_scim_destinations.py::test_state_and_ledger_are_the_same_on_postgresql": 0,
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
