/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_LIST_H
#define PARLEY_BASE_LIST_H

/* Intrusive doubly linked list. A node is linked in at most one list; unlinking nulls it, so that
 * pl_list_is_linked tells and a second insertion is caught by an assertion in debug builds. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

struct pl_list {
    struct pl_list *prev;
    struct pl_list *next;
};

void pl_list_init(struct pl_list *head);
void pl_list_push(struct pl_list *head, struct pl_list *node);       /* at the tail */
void pl_list_push_front(struct pl_list *head, struct pl_list *node); /* at the front */
void pl_list_remove(struct pl_list *node);                           /* not linked: no effect */
struct pl_list *pl_list_pop(struct pl_list *head);                   /* from the front; or NULL */
/* Move all nodes of `from` to the tail of `head`; `from` is empty after. */
void pl_list_splice(struct pl_list *head, struct pl_list *from);

static inline bool pl_list_is_empty(const struct pl_list *head)
{
    return head->next == head;
}

static inline bool pl_list_is_linked(const struct pl_list *node)
{
    return node->next != NULL;
}

#define PL_LIST_ENTRY(node, type, member) PL_CONTAINER_OF(node, type, member)

#define PL_LIST_FOREACH(node, head)                                                                \
    for (struct pl_list * (node) = (head)->next; (node) != (head); (node) = (node)->next)

/* The body may remove `node`. */
#define PL_LIST_FOREACH_SAFE(node, following, head)                                                \
    for (struct pl_list * (node) = (head)->next, *(following) = (node)->next; (node) != (head);    \
         (node) = (following), (following) = (node)->next)

#endif /* PARLEY_BASE_LIST_H */
