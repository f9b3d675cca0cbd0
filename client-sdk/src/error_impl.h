/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_ERROR_IMPL_H
#define PARLEY_SDK_ERROR_IMPL_H

/* How the SDK's own code makes the errors that its user gets. */

#include "base/error.h"
#include "wire/status.h"

#include "parley/error.h"
#include "parley/metadata.h"

/* @return owned (parley_error_free); never NULL. A code of PARLEY_OK becomes UNKNOWN. */
parley_error *sdk_error(enum parley_code code, const char *format, ...) PL_PRINTF(2, 3);
parley_error *sdk_error_from(const struct pl_error *err);
/* How a call ended, with its details and the request id of the trailers. @return NULL: the status
 * is OK. */
parley_error *sdk_error_from_status(const struct pl_status *status,
                                    const parley_metadata *trailers);
/* A copy, so that a borrowed error can be kept. NULL gives NULL. */
parley_error *sdk_error_copy(const parley_error *error);

#endif /* PARLEY_SDK_ERROR_IMPL_H */
