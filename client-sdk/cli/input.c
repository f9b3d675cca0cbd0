/* SPDX-License-Identifier: Apache-2.0 */
/* See input.h. */
#include "input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void input_fill(struct input *input)
{
    memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
    input->end -= input->begin;
    input->begin = 0;
    ssize_t got = read(STDIN_FILENO, input->bytes + input->end, sizeof(input->bytes) - input->end);
    if (got > 0) {
        input->end += (size_t)got;
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        input->is_at_end = true;
    }
}

bool input_take_line(struct input *input, const char **line, size_t *len)
{
    const char *begin = input->bytes + input->begin;
    size_t there = input->end - input->begin;
    const char *newline = memchr(begin, '\n', there);
    if (newline == NULL && (there == 0 || (!input->is_at_end && there <= BODY_BYTES_MAX))) {
        return false;
    }
    *line = begin;
    *len = newline == NULL ? there : (size_t)(newline - begin);
    input->begin += newline == NULL ? there : *len + 1;
    if (newline != NULL && *len > 0 && begin[*len - 1] == '\r') {
        *len -= 1;
    }
    return true;
}
