"""The guard of exports: may this finished set be sent without a person looking at it?

Called by `build.py`: decisions on the counts of `plan.py`. A broken rule of kind
`failed` stops the run for good; one of kind `held` waits for an approval of exactly
this plan.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from d118_pipelines.config.guard_limits import BLACKOUT, blackout_rule
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.plan import FileCounts, Plan

READ_BACK = "guard.read_back"
USER_NAME, USER_NAMES = "userName", "guard.user_names_within_limit"
FIRST = "guard.first_delivery"
INTO_POWERSCHOOL = "guard.into_powerschool"
_SHOWN_KEYS = 10
_NO_BASELINE = "No verified delivery to compare with yet."
_FILES_GONE = (
    "The files of the last verified delivery, exports/{target}/, no longer exist: nothing "
    "to compare with. Bring the folder back from a backup, or check the files that were "
    "prepared and approve them; the next delivery compares with these."
)


def rule_meanings(target: Target) -> dict[str, str]:
    """Code -> what is checked, of all rules of a target, in the order of evaluation."""
    guard, main = target.model.guard, target.main_file.file
    needed = [f.file for f in _sent_files(target) if f.empty == "fail"]
    others = f" None of {', '.join(needed)} is empty." if needed else ""
    rules = {
        "guard.rows_enough": f"{main} has at least {guard.min_rows:,} records.{others}",
        "guard.shape_right": "Every line has exactly one value per column.",
        "guard.keys_unique": "No record key occurs twice in one file.",
    }
    for fact in target.model.assertions:
        rules[f"guard.{fact.name}"] = f"Never: {fact.message}"
    if target.model.package and target.model.package.read_back != "none":
        rules[READ_BACK] = (
            "The finished archive passes our own importer without a warning."
        )
    if target.model.ledger.seed != "none":
        rules["guard.ledger_seeded"] = "The ledger knows who was sent before."
    if guard.hold_first:
        rules[FIRST] = "Somebody has looked at the first delivery."
    if target.feeds_powerschool:
        rules[INTO_POWERSCHOOL] = "Somebody has approved what PowerSchool imports."
    limits = {
        "drop": (
            guard.max_drop_percent,
            "At most {:g} % fewer records than last time.",
        ),
        "adds": (guard.max_adds, "At most {:,} new records."),
        "changes": (guard.max_changes, "At most {:,} changed records."),
        "deactivations": (guard.max_deactivations, "At most {:,} become inactive."),
    }
    for name, (limit, text) in limits.items():
        if limit is not None:
            rules[f"guard.{name}_within_limit"] = text.format(limit)
    for word, most in _most_per_file(target).items():
        rules[f"guard.{word}_within_limit"] = (
            f"At most {most:g} % {word} of the records of any file, since the last "
            "delivery."
        )
    if guard.max_user_names is not None:
        most = guard.max_user_names
        rules[USER_NAMES] = f"At most {most:,} users get another user name."
    if guard.blackouts:
        rules[BLACKOUT] = "Today is not in a blackout."
    hours = f"The extract is at most {guard.max_age_hours:g} hours old."
    return rules | {"guard.data_fresh": hours}


def judge(
    target: Target,
    plan: Plan,
    *,
    broken: Mapping[str, Sequence[str]],
    is_ledger_empty: bool,
    data_at: dt.datetime,
    now: dt.datetime,
    zone: dt.tzinfo,
) -> list[GuardRule]:
    """Evaluate every rule of the target, in the order of `rule_meanings`.

    broken: code -> keys that break it, for shape_right, keys_unique and the target's
    own assertions. data_at: when the oldest extract behind the set was made.
    """
    rules = [_rows_enough(target, plan), *_facts(target, broken)]
    if target.model.ledger.seed != "none":
        text = "The ledger knows who was sent."
        if is_ledger_empty:
            text = (
                "The ledger is empty and has no seed, so everybody would be sent as new. "
                "Import the old watermark (0 for a start from nothing): "
                f"d118 ledger seed {target.name} --newest-dcid FILE|N"
            )
        rules.append(
            GuardRule("guard.ledger_seeded", "failed", not is_ledger_empty, text)
        )
    if target.model.guard.hold_first:
        rules.append(_first_delivery(target, plan))
    if target.feeds_powerschool:
        rules.append(_into_powerschool(target, plan))
    rules += [*_limits(target, plan), *_file_limits(target, plan)]
    rules += _user_names(target, plan)
    if target.model.guard.blackouts:
        day = now.astimezone(zone).date()
        rules.append(blackout_rule(target.model.guard.blackouts, day))
    return [*rules, _data_fresh(target, data_at, now)]


def _sent_files(target: Target) -> list[TargetFile]:
    """The files of records that go: what is not sent can do no harm."""
    return [file for file in target.record_files if file.deliver]


def _rows_enough(target: Target, plan: Plan) -> GuardRule:
    least = target.model.guard.min_rows
    main = plan.counts[target.main_file.name]
    message = f"{target.main_file.file} has {main.rows:,} records (at least {least:,})."
    empty = [
        file.file
        for file in _sent_files(target)
        if file.empty == "fail" and not plan.counts[file.name].rows
    ]
    if empty:
        message += f" Without a record: {', '.join(empty)}."
    passed = main.rows >= least and not empty
    return GuardRule("guard.rows_enough", "failed", passed, message)


def _facts(target: Target, broken: Mapping[str, Sequence[str]]) -> list[GuardRule]:
    texts = {
        "guard.shape_right": "A line does not have exactly one value per column.",
        "guard.keys_unique": "A record key is missing or occurs twice in one file.",
    }
    texts |= {f"guard.{a.name}": a.message for a in target.model.assertions}
    if READ_BACK in rule_meanings(target):
        texts[READ_BACK] = (
            "Our own importer finds something wrong in the finished archive."
        )
    return [
        GuardRule(code, "failed", not keys, _with_keys(text, keys) if keys else "OK.")
        for code, text in texts.items()
        for keys in [broken.get(code, [])]
    ]


def _with_keys(text: str, keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_SHOWN_KEYS])
    more = f" and {len(keys) - _SHOWN_KEYS:,} more" if len(keys) > _SHOWN_KEYS else ""
    return f"{text} Keys: {shown}{more}."


def _first_delivery(target: Target, plan: Plan) -> GuardRule:
    """Held while there is nothing to compare with. Source: docs/reference/drafting.md."""
    passed = plan.baseline is not None
    text = (
        "The first delivery of this target: look at its files, compare them with those "
        f"sent before (d118 compare {target.name} --with FOLDER), then approve them."
    )
    return GuardRule(FIRST, "held", passed, "Delivered before." if passed else text)


def _into_powerschool(target: Target, plan: Plan) -> GuardRule:
    """Always held: an import changes the source of everything. docs/reference/autocomm.md"""
    counts = (f"{f.file}: {plan.counts[f.name].rows:,}" for f in _sent_files(target))
    text = f"PowerSchool would import these records: {', '.join(counts)}."
    return GuardRule(INTO_POWERSCHOOL, "held", False, text)


def _limits(target: Target, plan: Plan) -> list[GuardRule]:
    """Limits on the main file."""
    guard, main = target.model.guard, plan.counts[target.main_file.name]
    adds = main.commands.get(target.model.ledger.add, 0)
    turning = "becoming inactive" + " or leaving" * guard.leaving_is_deactivation
    rules = []
    if guard.max_drop_percent is not None:
        passed, text = _drop(main, guard.max_drop_percent)
        rules.append(_compared(target, plan, "drop", passed, text))
    for name, what, value, limit in [
        ("adds", "added", adds if main.commands else main.added, guard.max_adds),
        ("changes", "changed", main.changed, guard.max_changes),
        ("deactivations", turning, main.deactivated, guard.max_deactivations),
    ]:
        if limit is None:
            continue
        passed, text = value <= limit, f"{value:,} records {what} (limit {limit:,})."
        if name == "adds" and main.commands:
            # They compare with the ledger, so they need no earlier delivery.
            rules.append(GuardRule("guard.adds_within_limit", "held", passed, text))
        else:
            rules.append(_compared(target, plan, name, passed, text))
    return rules


def _compared(
    target: Target, plan: Plan, name: str, passed: bool, text: str
) -> GuardRule:
    """A limit against the last delivery; held where its files are gone."""
    if plan.baseline is None:
        passed, text = True, _NO_BASELINE
    elif plan.counts[target.main_file.name].rows_before is None:
        passed, text = False, _FILES_GONE.format(target=target.name)
    return GuardRule(f"guard.{name}_within_limit", "held", passed, text)


def _most_per_file(target: Target) -> dict[str, float]:
    """What may happen to a share of the records of any file: word -> percent."""
    limits = target.model.guard.files
    if limits is None:
        return {}
    return {
        "removed": limits.max_removed_percent,
        "changed": limits.max_changed_percent,
    }


def _file_limits(target: Target, plan: Plan) -> list[GuardRule]:
    """Limits on every file: a large one must not hide what a small one loses."""
    rules = []
    for word, limit in _most_per_file(target).items():
        beyond = "; ".join(_beyond(target, plan, word, limit))
        text = f"{beyond} (limit {limit:g} %)."
        text = text if beyond else f"Within {limit:g} % of every file."
        rules.append(_compared(target, plan, word, not beyond, text))
    return rules


def _beyond(target: Target, plan: Plan, word: str, limit: float) -> Iterator[str]:
    """The files of which a larger share was removed or changed."""
    assert target.model.guard.files is not None
    for file in _sent_files(target):
        counts = plan.counts[file.name]
        number, before = getattr(counts, word), counts.rows_before or 0
        percent = 100 * number / before if before else 0.0
        if before >= target.model.guard.files.min_before and percent > limit:
            yield f"{file.file}: {number:,} of {before:,} records {word} ({percent:.1f} %)"


def _user_names(target: Target, plan: Plan) -> list[GuardRule]:
    """People lose their sign-in where many get another user name at once."""
    limit = target.model.guard.max_user_names
    if limit is None:
        return []
    main = plan.counts[target.main_file.name]
    number = main.changed_fields.get(USER_NAME, 0)
    text = f"{number:,} users get another user name (limit {limit:,})."
    rule = _compared(target, plan, "user_names", number <= limit, text)
    return [rule]


def _drop(main: FileCounts, limit: float) -> tuple[bool, str]:
    before = main.rows_before or 0
    percent = 100 * (before - main.rows) / before if before else 0.0
    return percent <= limit, (
        f"{main.rows:,} records against {before:,} delivered last time "
        f"({-percent:+.1f} %, limit -{limit:g} %)."
    )


def _data_fresh(target: Target, data_at: dt.datetime, now: dt.datetime) -> GuardRule:
    limit = target.model.guard.max_age_hours
    hours = (now - data_at).total_seconds() / 3600
    return GuardRule(
        "guard.data_fresh",
        "held",
        abs(hours) <= limit,  # of a time to come: one of the clocks was wrong
        f"The extract is {hours:.1f} hours old (limit {limit:g}).",
    )
