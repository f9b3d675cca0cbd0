/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include "base/mem.h"
#include "wire/pb.h"

#include "parley/v1/chat_service.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits that occur nowhere else in a request: where the id is. */
static const char ID_MARK[STAMP_LEN + 1] = "0f1e2d3c4b5a6978";

void stamp_write(uint8_t *at, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = STAMP_LEN; i > 0; i--) {
        at[i - 1] = (uint8_t)digits[value & 15];
        value >>= 4;
    }
}

bool stamp_read(const uint8_t *at, size_t len, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < STAMP_LEN; i++) {
        if (i >= len || !((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f'))) {
            return false;
        }
        *value = *value << 4 | (uint64_t)(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
    }
    return true;
}

static size_t find(const struct pl_buf *frame, const void *mark, size_t len)
{
    for (size_t at = 0; at + len <= frame->len; at++) {
        if (memcmp(frame->data + at, mark, len) == 0) {
            return at;
        }
    }
    (void)fprintf(stderr, "parley-bench: a request without its mark\n");
    abort();
}

void template_init(struct template *template, bool is_stream, const char *conversation_id,
                   size_t body_len)
{
    Parley__V1__SendRequest send;
    Parley__V1__SendStreamRequest stream;
    char id[sizeof(ID_MARK)];
    char *conversation = pl_xstrdup(conversation_id);
    uint8_t *body = pl_xmalloc(body_len);
    memcpy(id, ID_MARK, sizeof(id));
    memset(body, 'x', body_len);
    parley__v1__send_request__init(&send);
    parley__v1__send_stream_request__init(&stream);
    send.conversation_id = conversation;
    send.client_message_id = id;
    send.body = (ProtobufCBinaryData){.len = body_len, .data = body};
    stream.send = &send;
    template->frame = pl_pb_frame(is_stream ? &stream.base : &send.base);
    if (template->frame == NULL) {
        abort();
    }
    template->id_at = find(template->frame, ID_MARK, STAMP_LEN);
    template->body_at = find(template->frame, body, body_len);
    pl_free(body);
    pl_free(conversation);
}

void template_deinit(struct template *template)
{
    pl_buf_unref(template->frame);
}

struct pl_buf *template_make(const struct template *template, uint64_t number, int64_t stamp)
{
    struct pl_buf *made = pl_buf_copy(template->frame->data, template->frame->len);
    if (made != NULL) {
        stamp_write(made->data + template->id_at, number);
        stamp_write(made->data + template->body_at, (uint64_t)stamp);
    }
    return made;
}
