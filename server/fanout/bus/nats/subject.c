/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects; see subject.h. */
#include "fanout/bus/nats/subject.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void subject_encode(char out[SUBJECT_SIZE], const char *name, const struct bus_topic *topic)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = strlen(name);
    memcpy(out, name, at);
    out[at++] = '.';
    for (size_t i = 0; i < topic->len; i++) {
        char c = topic->data[i];
        if (is_letter_or_digit(c) || (c != '\0' && strchr("-_~:", c) != NULL)) {
            out[at++] = c;
        } else {
            out[at++] = '%';
            out[at++] = digits[(unsigned char)c >> 4];
            out[at++] = digits[(unsigned char)c & 15];
        }
    }
    out[at] = '\0';
}
