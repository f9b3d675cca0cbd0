/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_JSON_LINE_H
#define PARLEY_CLI_JSON_LINE_H

/* What --json prints: one object a line. The keys are documented by `parley help json`. */

#include "parley/v1/conversation_service.pb-c.h"
#include "parley/v1/event.pb-c.h"

#include <jansson.h>

#include <stdio.h>

/* Print and free. @param object  takes; NULL (no memory) prints nothing. */
void json_line_print(FILE *out, json_t *object);
/* @param value  takes; NULL is left out. */
void json_line_set(json_t *object, const char *key, json_t *value);

/* All owned. */
json_t *json_line_event(const Parley__V1__Event *event);
json_t *json_line_conversation(const Parley__V1__Conversation *conversation);
json_t *json_line_member(const Parley__V1__Member *member);

const char *json_line_role(Parley__V1__Role role);                 /* "member", "owner" or NULL */
const char *json_line_action(Parley__V1__MembershipAction action); /* "added" ... or NULL */

extern const char json_line_help[];

#endif /* PARLEY_CLI_JSON_LINE_H */
