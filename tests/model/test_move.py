# SPDX-License-Identifier: Apache-2.0
"""A bucket that moves between shards while nodes write and read, in every order of the steps: no write
is lost or gets a seq that was given, no read is old, and a mover may be killed. And with a mistake put
in, spin says so."""
import unittest

from spin import ModelTest


class MoveTest(ModelTest):
    MODEL = "move.pml"

    def test_no_write_is_lost(self):
        self.check_all_is_reached(self.check_holds())

    def test_no_read_is_old(self):
        self.check_all_is_reached(self.check_holds("READING"))

    def test_a_mistake_is_found(self):
        for mistake in ("NO_WAIT", "NO_EPOCH", "NO_LAST_COPY", "NO_LAPSE_CHECK"):
            self.check_is_found(mistake)
        for mistake in ("NO_EPOCH_READ", "TARGET_FIRST"):
            self.check_is_found("READING", mistake)


if __name__ == "__main__":
    unittest.main()
