/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CHAT_VALIDATE_H
#define PARLEY_CHAT_VALIDATE_H

/* The limits of the contract. Each check gives PARLEY_OK, or INVALID_ARGUMENT with the name of the
 * field in *err and a text for the client. @thread any */

#include "base/error.h"
#include "store/store.h"

#include "parley/v1/chat_service.pb-c.h"
#include "parley/v1/conversation_service.pb-c.h"

#include <stddef.h>
#include <stdint.h>

/* The limits of the lists of one kind. */
#define CHAT_PAGE_MAX        1000
#define CHAT_PAGE_DEFAULT    100
#define CHAT_HISTORY_MAX     10000
#define CHAT_HISTORY_DEFAULT 100
/* What may be kept, and a day of the store's. */
#define CHAT_KEEP_DAYS_MAX     36500
#define CHAT_KEEP_MESSAGES_MAX 1000000000
#define CHAT_DAY_MS            (INT64_C(24) * 3600 * 1000)
/* The name of a field, with its NUL: what struct pl_error holds. */
#define CHAT_FIELD_MAX  64
#define CHAT_TEXT_PLAIN "text/plain"

PL_MUST_CHECK enum parley_code chat_check_id(const char *field, const char *id,
                                             struct pl_error *err);
/* @param min  how many there must be. The field of a wrong one is "user_ids[3]". */
PL_MUST_CHECK enum parley_code chat_check_ids(const char *field, char *const *ids, size_t count,
                                              size_t min, struct pl_error *err);
PL_MUST_CHECK enum parley_code chat_check_title(const char *title, struct pl_error *err);
/* The content type and the body of a message, and its ids. */
PL_MUST_CHECK enum parley_code chat_check_send(const Parley__V1__SendRequest *request,
                                               struct pl_error *err);
/* *role: what is meant. */
PL_MUST_CHECK enum parley_code chat_check_role(Parley__V1__Role asked, enum store_role *role,
                                               struct pl_error *err);
/* *retention: as the store has it. NULL asked: the default. */
PL_MUST_CHECK enum parley_code chat_check_retention(const Parley__V1__Retention *asked,
                                                    struct store_retention *retention,
                                                    struct pl_error *err);
/* A count with a default for 0. */
PL_MUST_CHECK enum parley_code chat_check_count(const char *field, int32_t asked, size_t standard,
                                                size_t max, size_t *count, struct pl_error *err);
/* page_size and page_token of a list. */
PL_MUST_CHECK enum parley_code chat_check_page(int32_t page_size, const char *page_token,
                                               size_t *limit, struct pl_error *err);

#endif /* PARLEY_CHAT_VALIDATE_H */
