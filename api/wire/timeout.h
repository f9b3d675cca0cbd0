/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_TIMEOUT_H
#define PARLEY_WIRE_TIMEOUT_H

/* grpc-timeout (R7): up to eight digits and a unit. @thread any */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_TIMEOUT_TEXT_MAX 10 /* eight digits, unit, NUL */

/* Nanoseconds; what does not fit is INT64_MAX - 1 (a deadline, but never reached); a timeout of
 * less than a microsecond that is not 0 is a microsecond. false: not a timeout. */
PL_MUST_CHECK bool pl_timeout_decode(const char *text, size_t len, int64_t *timeout_ns);
/* Rounded up, so that the peer never gives up before us. Less than 1 ns is sent as 1 ns.
 * @return length without the NUL. */
size_t pl_timeout_encode(int64_t timeout_ns, char out[PL_TIMEOUT_TEXT_MAX]);

#endif /* PARLEY_WIRE_TIMEOUT_H */
