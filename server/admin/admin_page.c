/* SPDX-License-Identifier: Apache-2.0 */
/* What the admin server says: paths, states and the HTTP around a body. Knows no sockets. */
#include "admin/admin_impl.h"
#include "base/buf.h"
#include "base/text.h"
#include "core/metrics_text.h"

#include <string.h>

#define TEXT_TYPE "text/plain; charset=utf-8"

static const char index_text[] =
    "parleyd\n"
    "\n"
    "/metrics  counters for Prometheus\n"
    "/healthz  200 while the process lives\n"
    "/readyz   200 while it wants calls, 503 at start and in a drain\n";

struct page {
    int status;
    const char *type;
    const char *data;
    size_t len;
};

static const char *get_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

static struct pl_buf *make(const struct page *page, bool has_body, bool closes)
{
    char head[512];
    (void)pl_text_format(head, sizeof(head),
                         "HTTP/1.1 %d %s\r\n"
                         "Content-Type: %s\r\n"
                         "Content-Length: %zu\r\n"
                         "Cache-Control: no-store\r\n"
                         "X-Content-Type-Options: nosniff\r\n"
                         "%s%s\r\n",
                         page->status, get_reason(page->status), page->type, page->len,
                         page->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                         closes ? "Connection: close\r\n" : "");
    size_t head_len = strlen(head);
    size_t body_len = has_body ? page->len : 0;
    struct pl_buf *answer = pl_buf_new(head_len + body_len);
    if (answer == NULL) {
        return NULL;
    }
    memcpy(answer->data, head, head_len);
    memcpy(answer->data + head_len, page->data, body_len);
    answer->len = head_len + body_len;
    return answer;
}

static struct page text_page(int status, const char *text)
{
    return (struct page){.status = status, .type = TEXT_TYPE, .data = text, .len = strlen(text)};
}

static struct pl_buf *make_metrics(bool has_body, bool closes)
{
    struct pl_buf *text = metrics_text_make();
    if (text == NULL) {
        struct page page = text_page(503, "no memory\n");
        return make(&page, has_body, closes);
    }
    struct page page = {.status = 200,
                        .type = METRICS_TEXT_TYPE,
                        .data = (const char *)text->data,
                        .len = text->len};
    struct pl_buf *answer = make(&page, has_body, closes);
    pl_buf_unref(text);
    return answer;
}

struct pl_buf *admin_page_make(enum admin_state state, enum http_method method, const char *path,
                               bool closes)
{
    struct page page = text_page(404, "not found; see /\n");
    bool has_body = method != HTTP_HEAD;
    if (method != HTTP_GET && method != HTTP_HEAD) {
        page = text_page(405, "only GET and HEAD\n");
    } else if (strcmp(path, "/metrics") == 0) {
        return make_metrics(has_body, closes);
    } else if (strcmp(path, "/healthz") == 0) {
        page = text_page(200, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        page = state == ADMIN_READY      ? text_page(200, "ready\n")
               : state == ADMIN_STARTING ? text_page(503, "starting\n")
                                         : text_page(503, "draining\n");
    } else if (strcmp(path, "/") == 0) {
        page = text_page(200, index_text);
    }
    return make(&page, has_body, closes);
}

struct pl_buf *admin_page_make_error(int status, bool closes)
{
    char text[64];
    (void)pl_text_format(text, sizeof(text), "%s\n", get_reason(status));
    struct page page = text_page(status, text);
    return make(&page, true, closes);
}
