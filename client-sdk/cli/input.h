/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_INPUT_H
#define PARLEY_CLI_INPUT_H

/* Standard input, a piece at a time, as lines or whole. Never blocks beyond one read. */

#include <stdbool.h>
#include <stddef.h>

#define BODY_BYTES_MAX 65536 /* of one message; the contract's limit */
#define PENDING_MAX    1024  /* messages without an answer; then the input waits */

struct input {
    char bytes[2 * BODY_BYTES_MAX + 2];
    size_t begin; /* of what was not taken yet */
    size_t end;
    bool is_at_end;
};

/* Read what is there. A read that fails counts as the end. */
void input_fill(struct input *input);
/* The next whole line without its end, or the rest at the end of the input; a line that is too
 * long for a message is given in the pieces that were read.
 * @param line  borrowed until input_fill
 * @return false: none yet, or (is_at_end) none any more */
bool input_take_line(struct input *input, const char **line, size_t *len);

/* May there be another line? */
static inline bool input_has_more(const struct input *input)
{
    return !input->is_at_end || input->begin < input->end;
}

#endif /* PARLEY_CLI_INPUT_H */
