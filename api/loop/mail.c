/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: many senders, one loop. The lock is held for a few instructions and never while a
 * message is delivered. */

#include "loop/loop_impl.h"

void pl_loop_post(struct pl_loop *loop, struct pl_mail *mail)
{
    mail->next = NULL;
    (void)pthread_mutex_lock(&loop->shared.mu);
    bool was_empty = loop->shared.head == NULL;
    if (was_empty) {
        loop->shared.head = mail;
        atomic_store(&loop->shared.has_mail, true);
    } else {
        loop->shared.tail->next = mail;
    }
    loop->shared.tail = mail;
    /* Under the lock, because delivering this mail may be what lets the loop's owner free it: once
     * the lock is released the loop may be gone. */
    if (was_empty && atomic_load(&loop->shared.is_asleep)) {
        (void)uv_async_send(&loop->wake);
    }
    (void)pthread_mutex_unlock(&loop->shared.mu);
}

void pl_loop_deliver_mail(struct pl_loop *loop)
{
    if (!atomic_load_explicit(&loop->shared.has_mail, memory_order_acquire)) {
        return;
    }
    (void)pthread_mutex_lock(&loop->shared.mu);
    struct pl_mail *mail = loop->shared.head;
    loop->shared.head = NULL;
    loop->shared.tail = NULL;
    atomic_store(&loop->shared.has_mail, false);
    (void)pthread_mutex_unlock(&loop->shared.mu);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        mail->deliver(loop, mail);
        mail = next;
    }
}
