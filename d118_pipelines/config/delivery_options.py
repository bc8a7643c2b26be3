"""How files go to one server: keys of a target that its delivery reads.

Part of `destination` in `targets/destination_model.py`; kept by `delivery/steps.py`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from d118_pipelines.config.yaml_files import Model


class DeliveryOptions(Model):
    """How files go to one destination. The defaults are the safe ones.

    use_temp_names: upload as `<name>.part` and rename in order once all are there. Off,
        for a server that refuses renames: straight to the real names, each file with
        its time and its checks before the next; a broken upload then shows.
    confirm_size: compare the size at the destination with the local one, after the
        upload and at the end.
    confirm_hash: read each uploaded file back and compare its SHA-256, before the
        rename. Off for a server that lets nothing be read.
    set_mtime: give the files modification times in the past, 60 s apart, ascending in
        the order of the set, before the rename. Off, with `ordered_mtimes` on: upload one
        after the other with at least 2 s between, and still check that the times ascend.
    ordered_mtimes: the vendor imports by modification time, so the times must ascend.
    verify_after_rename: look at the real names at the end. Off for a server that takes
        files away at once; the checks of the temporary files then count (and without
        temporary names, `confirm_size` and `confirm_hash` have to be off too).
    removed_on_close: the server takes every file away as soon as it is closed, `.part`
        too. Then each goes straight to its real name, and its size is asked before it is
        closed; nothing is looked at afterwards, whatever the other switches say.
    settle_seconds: the vendor reads this long after the last activity, so the real names
        must all change within this time; None: it does not say.
    Source: docs/reference/delivery.md.
    """

    use_temp_names: bool = True
    confirm_size: bool = True
    confirm_hash: bool = True
    set_mtime: bool = False
    ordered_mtimes: bool = False
    verify_after_rename: bool = True
    removed_on_close: bool = False
    settle_seconds: Annotated[int, Field(ge=1)] | None = None

    @property
    def in_force(self) -> DeliveryOptions:
        """The switches as a delivery keeps them."""
        if not self.removed_on_close:
            return self
        looks = ("use_temp_names", "confirm_size", "confirm_hash", "set_mtime")
        off = dict.fromkeys((*looks, "verify_after_rename"), False)
        return self.model_copy(update=off)
