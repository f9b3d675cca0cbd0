/* SPDX-License-Identifier: Apache-2.0 */
/* The error object of the SDK. Immutable once made; owned by one holder at a time. @thread any */
#include "error_impl.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

struct parley_error {
    enum parley_code code;
    bool is_retryable;
    bool is_static;
    uint32_t retry_after_ms;
    char *message;
    char *field;
    char *request_id;
    uint8_t *details;
    size_t details_len;
};

/* Stands in when there is no memory for an error, so that a failure is never mistaken for success.
 */
static parley_error out_of_memory = {
    .code = PARLEY_RESOURCE_EXHAUSTED,
    .is_retryable = true,
    .is_static = true,
};

static bool code_is_retryable(enum parley_code code)
{
    return code == PARLEY_UNAVAILABLE;
}

parley_error *parley_error_new(enum parley_code code, const char *message)
{
    parley_error *error = pl_calloc(1, sizeof(*error));
    if (error == NULL) {
        return &out_of_memory;
    }
    error->code = code == PARLEY_OK ? PARLEY_UNKNOWN : code;
    error->is_retryable = code_is_retryable(error->code);
    error->message = message == NULL ? NULL : pl_strdup(message);
    return error;
}

void parley_error_free(parley_error *error)
{
    if (error == NULL || error->is_static) {
        return;
    }
    pl_free(error->message);
    pl_free(error->field);
    pl_free(error->request_id);
    pl_free(error->details);
    pl_free(error);
}

enum parley_code parley_error_code(const parley_error *error)
{
    return error == NULL ? PARLEY_OK : error->code;
}

const char *parley_error_code_name(enum parley_code code)
{
    return pl_code_name(code);
}

const char *parley_error_message(const parley_error *error)
{
    if (error == NULL) {
        return "";
    }
    if (error->message == NULL) {
        return error->is_static ? "out of memory" : "";
    }
    return error->message;
}

bool parley_error_is_retryable(const parley_error *error)
{
    return error != NULL && error->is_retryable;
}

uint32_t parley_error_retry_after_ms(const parley_error *error)
{
    return error == NULL ? 0 : error->retry_after_ms;
}

const uint8_t *parley_error_details(const parley_error *error, size_t *len)
{
    *len = error == NULL ? 0 : error->details_len;
    return error == NULL ? NULL : error->details;
}

const char *parley_error_field(const parley_error *error)
{
    return error == NULL ? NULL : error->field;
}

const char *parley_error_request_id(const parley_error *error)
{
    return error == NULL ? NULL : error->request_id;
}

parley_error *sdk_error(enum parley_code code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)pl_text_vformat(text, sizeof(text), format, args);
    va_end(args);
    return parley_error_new(code, text);
}

parley_error *sdk_error_from(const struct pl_error *err)
{
    parley_error *error = parley_error_new(err->code, err->text);
    if (!error->is_static) {
        error->retry_after_ms = err->retry_after_ms;
        error->field = err->field[0] == '\0' ? NULL : pl_strdup(err->field);
    }
    return error;
}

static void take_details(parley_error *error, const struct pl_status *status)
{
    struct pl_arena arena;
    const char *field = NULL;
    if (status->details_len == 0) {
        return;
    }
    pl_arena_init(&arena, NULL, 0, 65536);
    pl_status_details_read(status->details, status->details_len, &arena, &field,
                           &error->retry_after_ms);
    error->field = field == NULL ? NULL : pl_strdup(field);
    pl_arena_deinit(&arena);
    error->details = pl_malloc(status->details_len);
    if (error->details != NULL) {
        memcpy(error->details, status->details, status->details_len);
        error->details_len = status->details_len;
    }
    error->is_retryable = error->is_retryable || error->retry_after_ms > 0;
}

parley_error *sdk_error_from_status(const struct pl_status *status, const parley_metadata *trailers)
{
    if (status->code == PARLEY_OK) {
        return NULL;
    }
    parley_error *error = parley_error_new(status->code, status->message);
    if (error->is_static) {
        return error;
    }
    take_details(error, status);
    const char *request_id = parley_metadata_find(trailers, "request-id", NULL);
    error->request_id = request_id == NULL ? NULL : pl_strdup(request_id);
    return error;
}

parley_error *sdk_error_copy(const parley_error *error)
{
    if (error == NULL) {
        return NULL;
    }
    parley_error *copy = parley_error_new(error->code, parley_error_message(error));
    if (copy->is_static) {
        return copy;
    }
    copy->is_retryable = error->is_retryable;
    copy->retry_after_ms = error->retry_after_ms;
    copy->field = error->field == NULL ? NULL : pl_strdup(error->field);
    copy->request_id = error->request_id == NULL ? NULL : pl_strdup(error->request_id);
    if (error->details_len > 0) {
        copy->details = pl_malloc(error->details_len);
        if (copy->details != NULL) {
            memcpy(copy->details, error->details, error->details_len);
            copy->details_len = error->details_len;
        }
    }
    return copy;
}
