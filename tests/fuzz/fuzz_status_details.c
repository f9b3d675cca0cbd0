/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-status-details-bin: any bytes read, and what we write read back. */
#include "app.h"

#include "base/text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pl_arena arena;
    const char *field = NULL;
    uint32_t retry_after_ms = 0;
    pl_arena_init(&arena, NULL, 0, 0);
    pl_status_details_read(data, size, &arena, &field, &retry_after_ms);
    app_check(field == NULL || pl_text_is_utf8(field, strlen(field)), "a field's name is text");

    char *text = pl_arena_strndup(&arena, (const char *)data, size);
    struct pl_status status;
    app_check(pl_status_bad_request(&arena, text, text, text, &status) == 0, "memory");
    pl_status_details_read(status.details, status.details_len, &arena, &field, &retry_after_ms);
    size_t len = pl_text_utf8_prefix(text, strlen(text), 256);
    app_check(!pl_text_is_utf8(text, strlen(text)) ||
                  (field != NULL && strlen(field) == len && memcmp(field, text, len) == 0),
              "the field is read back");
    uint32_t wanted = (uint32_t)size * 977;
    app_check(pl_status_retry_info(&arena, PARLEY_UNAVAILABLE, text, wanted, &status) == 0,
              "memory");
    pl_status_details_read(status.details, status.details_len, &arena, &field, &retry_after_ms);
    app_check(retry_after_ms == wanted, "the delay is read back");
    pl_arena_deinit(&arena);
    return 0;
}
