/* SPDX-License-Identifier: Apache-2.0 */
/* parley_frame, the public name of a buffer that holds one framed message. Thread: any. */
#include "wire/pb.h"

#include "parley/stub.h"

/* A parley_frame is a struct pl_buf under another name; it has no members of its own. */
static struct pl_buf *buf_of(parley_frame *frame)
{
    return (struct pl_buf *)(void *)frame;
}

static parley_frame *frame_of(struct pl_buf *buf)
{
    return (parley_frame *)(void *)buf;
}

parley_frame *parley_frame_new(const ProtobufCMessage *message)
{
    return frame_of(pl_pb_frame(message));
}

parley_frame *parley_frame_ref(parley_frame *frame)
{
    return frame_of(pl_buf_ref(buf_of(frame)));
}

void parley_frame_unref(parley_frame *frame)
{
    pl_buf_unref(buf_of(frame));
}
