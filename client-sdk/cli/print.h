/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_PRINT_H
#define PARLEY_CLI_PRINT_H

/* Events for a person: aligned columns, colours on a terminal, nothing of others' that could
 * control it. */

#include "parley/v1/event.pb-c.h"

#include <stdbool.h>
#include <stdio.h>

enum print_style {
    PRINT_LOG, /* date, time, seq, sender, text */
    PRINT_CHAT /* hour and minute, sender, text */
};

struct printer {
    enum print_style style;
    bool is_json;
    bool has_color;
    bool shows_conversation;
    int sender_width; /* of the column; grows with what is seen */
    int conversation_width;
};

/* @param is_json  one JSON object a line instead. Colours if standard output is a terminal. */
void print_start(struct printer *printer, enum print_style style, bool is_json);
void print_event(struct printer *printer, FILE *out, const Parley__V1__Event *event);

/* Whether standard output is a terminal that understands escape sequences. */
bool print_is_on_terminal(void);

#endif /* PARLEY_CLI_PRINT_H */
