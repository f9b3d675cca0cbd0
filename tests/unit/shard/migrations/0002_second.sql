-- SPDX-License-Identifier: Apache-2.0
-- Oldest build: 1
ALTER TABLE t ADD COLUMN b INT;
