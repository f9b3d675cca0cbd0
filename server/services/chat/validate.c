/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the contract; see validate.h. That strings are UTF-8 without a NUL was checked when
 * the request was decoded. */
#include "chat/validate.h"

#include "base/id.h"
#include "base/text.h"

#include <string.h>

enum parley_code chat_check_id(const char *field, const char *id, struct pl_error *err)
{
    if (PL_LIKELY(pl_id_is_valid(id, strlen(id)))) {
        return PARLEY_OK;
    }
    return pl_fail_field(err, field, "must be 1 to %d bytes of A-Z a-z 0-9 . _ ~ : -", PL_ID_MAX);
}

enum parley_code chat_check_ids(const char *field, char *const *ids, size_t count, size_t min,
                                struct pl_error *err)
{
    if (count < min || count > STORE_MEMBERS_MAX) {
        return pl_fail_field(err, field, "must be %zu to %d ids, not %zu", min, STORE_MEMBERS_MAX,
                             count);
    }
    for (size_t i = 0; i < count; i++) {
        if (!pl_id_is_valid(ids[i], strlen(ids[i]))) {
            char one[CHAT_FIELD_MAX];
            (void)pl_text_format(one, sizeof(one), "%s[%zu]", field, i);
            return chat_check_id(one, ids[i], err);
        }
    }
    return PARLEY_OK;
}

enum parley_code chat_check_title(const char *title, struct pl_error *err)
{
    return strlen(title) <= STORE_TITLE_MAX
               ? PARLEY_OK
               : pl_fail_field(err, "title", "must be at most %d bytes", STORE_TITLE_MAX);
}

static enum parley_code check_content_type(const char *type, struct pl_error *err)
{
    size_t len = 0;
    while (type[len] >= ' ' && type[len] <= '~') {
        len++;
    }
    return len <= STORE_CONTENT_TYPE_MAX && type[len] == '\0'
               ? PARLEY_OK
               : pl_fail_field(err, "content_type", "must be at most %d bytes of printable ASCII",
                               STORE_CONTENT_TYPE_MAX);
}

/* An empty type means text/plain. Media types ignore case (RFC 6838, section 4.2). */
static bool is_text(const char *type)
{
    char top[] = "text/";
    size_t len = sizeof(top) - 1;
    if (type[0] == '\0') {
        return true;
    }
    if (strlen(type) < len) {
        return false;
    }
    memcpy(top, type, len);
    return pl_text_equals_nocase(top, "text/");
}

static enum parley_code check_body(const Parley__V1__SendRequest *request, struct pl_error *err)
{
    size_t len = request->body.len;
    if (len < 1 || len > STORE_BODY_MAX) {
        return pl_fail_field(err, "body", "must be 1 to %d bytes, not %zu", STORE_BODY_MAX, len);
    }
    if (is_text(request->content_type) && !pl_text_is_utf8(request->body.data, len)) {
        return pl_fail_field(err, "body", "must be UTF-8, as its content type is text");
    }
    return PARLEY_OK;
}

enum parley_code chat_check_send(const Parley__V1__SendRequest *request, struct pl_error *err)
{
    enum parley_code code = chat_check_id("conversation_id", request->conversation_id, err);
    if (code == PARLEY_OK) {
        code = chat_check_id("client_message_id", request->client_message_id, err);
    }
    if (code == PARLEY_OK) {
        code = check_content_type(request->content_type, err);
    }
    return code == PARLEY_OK ? check_body(request, err) : code;
}

enum parley_code chat_check_role(Parley__V1__Role asked, enum store_role *role,
                                 struct pl_error *err)
{
    switch (asked) {
    case PARLEY__V1__ROLE__ROLE_UNSPECIFIED:
    case PARLEY__V1__ROLE__ROLE_MEMBER:
        *role = STORE_ROLE_MEMBER;
        return PARLEY_OK;
    case PARLEY__V1__ROLE__ROLE_OWNER:
        *role = STORE_ROLE_OWNER;
        return PARLEY_OK;
    default: /* an open enum: anything may come */
        return pl_fail_field(err, "role", "is not known: %d", (int)asked);
    }
}

static enum parley_code check_kept(const char *field, int64_t asked, int64_t max,
                                   struct pl_error *err)
{
    return asked >= STORE_KEEP_ALL && asked <= max
               ? PARLEY_OK
               : pl_fail_field(err, field, "must be -1 to %lld, not %lld", (long long)max,
                               (long long)asked);
}

enum parley_code chat_check_retention(const Parley__V1__Retention *asked,
                                      struct store_retention *retention, struct pl_error *err)
{
    *retention = (struct store_retention){0};
    if (asked == NULL) {
        return PARLEY_OK;
    }
    enum parley_code code = check_kept("retention.days", asked->days, CHAT_KEEP_DAYS_MAX, err);
    if (code == PARLEY_OK) {
        code = check_kept("retention.messages", asked->messages, CHAT_KEEP_MESSAGES_MAX, err);
    }
    retention->age_ms = asked->days > 0 ? asked->days * CHAT_DAY_MS : asked->days;
    retention->messages = asked->messages;
    return code;
}

enum parley_code chat_check_count(const char *field, int32_t asked, size_t standard, size_t max,
                                  size_t *count, struct pl_error *err)
{
    if (asked < 0 || (size_t)asked > max) {
        return pl_fail_field(err, field, "must be 0 to %zu, not %d", max, (int)asked);
    }
    *count = asked == 0 ? standard : (size_t)asked;
    return PARLEY_OK;
}

enum parley_code chat_check_page(int32_t page_size, const char *page_token, size_t *limit,
                                 struct pl_error *err)
{
    enum parley_code code =
        chat_check_count("page_size", page_size, CHAT_PAGE_DEFAULT, CHAT_PAGE_MAX, limit, err);
    if (code != PARLEY_OK || page_token[0] == '\0') {
        return code;
    }
    return pl_id_is_valid(page_token, strlen(page_token))
               ? PARLEY_OK
               : pl_fail_field(err, "page_token", "is not the next_page_token of a page");
}
