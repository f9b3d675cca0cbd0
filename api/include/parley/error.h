/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_ERROR_H
#define PARLEY_ERROR_H

/* What went wrong, as the SDK tells its user. Functions return `parley_error *`: NULL is success,
 * anything else is owned by the caller (parley_error_free). A callback borrows its error until it
 * returns. */

#include "parley/code.h"
#include "parley/export.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct parley_error parley_error;

/* Make one, for the user's own fakes and servers. @param message  copied; may be NULL.
 * @return owned; never NULL (a static out-of-memory error stands in). */
PARLEY_API parley_error *parley_error_new(enum parley_code code, const char *message);
PARLEY_API void parley_error_free(parley_error *error); /* NULL is fine */

PARLEY_API enum parley_code parley_error_code(const parley_error *error); /* NULL: PARLEY_OK */
PARLEY_API const char *parley_error_code_name(enum parley_code code);     /* "NOT_FOUND": static */
PARLEY_API const char *parley_error_message(const parley_error *error);   /* never NULL */
/* Whether the same request may succeed later; and after how long (milliseconds; 0: no hint). */
PARLEY_API bool parley_error_is_retryable(const parley_error *error);
PARLEY_API uint32_t parley_error_retry_after_ms(const parley_error *error);
/* The serialised google.rpc.Status of grpc-status-details-bin; NULL: none. Borrowed. */
PARLEY_API const uint8_t *parley_error_details(const parley_error *error, size_t *len);
/* The first field named by a google.rpc.BadRequest in the details, e.g. "body"; or NULL. */
PARLEY_API const char *parley_error_field(const parley_error *error);
/* The server's request id, to find the call in its logs; or NULL. */
PARLEY_API const char *parley_error_request_id(const parley_error *error);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_ERROR_H */
