/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive list; see list.h. */
#include "base/list.h"

#include <assert.h>

void pl_list_init(struct pl_list *head)
{
    head->prev = head;
    head->next = head;
}

static void insert_between(struct pl_list *prev, struct pl_list *next, struct pl_list *node)
{
    assert(node->next == NULL);
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

void pl_list_push(struct pl_list *head, struct pl_list *node)
{
    insert_between(head->prev, head, node);
}

void pl_list_push_front(struct pl_list *head, struct pl_list *node)
{
    insert_between(head, head->next, node);
}

void pl_list_remove(struct pl_list *node)
{
    if (node->next == NULL) {
        return;
    }
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

struct pl_list *pl_list_pop(struct pl_list *head)
{
    if (pl_list_is_empty(head)) {
        return NULL;
    }
    struct pl_list *node = head->next;
    pl_list_remove(node);
    return node;
}

void pl_list_splice(struct pl_list *head, struct pl_list *from)
{
    if (pl_list_is_empty(from)) {
        return;
    }
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    pl_list_init(from);
}
