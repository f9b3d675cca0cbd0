# SPDX-License-Identifier: Apache-2.0
"""The hand-over from CATCH-UP to LIVE, in every order of its steps: no event is lost or repeated. And
with a mistake put in, spin says so: a model that accepts everything proves nothing."""
import unittest

from spin import ModelTest


class HandoverTest(ModelTest):
    MODEL = "handover.pml"

    def test_nothing_is_lost_or_repeated(self):
        self.check_all_is_reached(self.check_holds())

    def test_nothing_is_lost_or_repeated_on_a_node_that_is_alone(self):
        self.check_holds("ALONE")

    def test_a_mistake_is_found(self):
        for defines in (["ALONE", "NO_INTEREST_FIRST"], ["NO_GAP"], ["NO_STALE"], ["NO_SKIP"],
                        ["ALONE", "NO_STALE"], ["ALONE", "NO_SKIP"]):
            self.check_is_found(*defines)


if __name__ == "__main__":
    unittest.main()
