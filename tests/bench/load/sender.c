/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are a prefix and a running number; the number's low bits are the slot in a ring of messages
 * that wait for their answer. */
#include "sender.h"

#include "field.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define SEND_PATH        "/parley.v1.ChatService/Send"
#define SEND_STREAM_PATH "/parley.v1.ChatService/SendStream"
#define NUMBER_BITS      40
#define SCATTER          UINT64_C(0x9E3779B97F4A7C15) /* odd: no two numbers meet */
#define GATHER           UINT64_C(0xF1DE83E19937733D) /* its inverse */

struct slot {
    struct call call; /* unary */
    struct sender *sender;
    uint64_t number;
    int64_t intended_ns;
    size_t conversation;
    bool is_waiting;
    bool is_answered; /* unary: the message came */
};

struct sender {
    struct sender_options options;
    struct call stream;
    struct template *templates; /* of its own conversations, in turn */
    int64_t *last_seqs;         /* stream: answers of a conversation come in order */
    size_t template_count;
    uint64_t next_number;
    size_t outstanding;
    size_t slot_mask;
    struct slot *slots;
};

static size_t conversation_of(const struct sender *sender, size_t template)
{
    return (sender->options.first + template * sender->options.step) %
           sender->options.conversation_count;
}

/* A running number is an id as it is, or scattered over all of them; and back. */
static uint64_t id_of(const struct sender *sender, uint64_t number)
{
    uint64_t id = sender->options.id_prefix << NUMBER_BITS | number;
    return sender->options.are_ids_scattered ? id * SCATTER : id;
}

static uint64_t number_of(const struct sender *sender, uint64_t id)
{
    uint64_t number = sender->options.are_ids_scattered ? id * GATHER : id;
    return number & ((UINT64_C(1) << NUMBER_BITS) - 1);
}

/* ---- answers ---- */

static bool note_seq(struct sender *sender, const struct slot *slot, uint64_t seq)
{
    struct tally *tally = &sender->options.tallies[slot->conversation];
    int64_t number = (int64_t)seq;
    tally->acks++;
    tally->sum_seq += seq;
    tally->min_seq = tally->acks == 1 || number < tally->min_seq ? number : tally->min_seq;
    tally->max_seq = number > tally->max_seq ? number : tally->max_seq;
    if (sender->options.is_unary) {
        return number > 0;
    }
    int64_t *last = &sender->last_seqs[slot->number % sender->template_count];
    bool is_in_order = number > *last;
    *last = number;
    return is_in_order;
}

static void acked(struct sender *sender, struct slot *slot, uint64_t seq)
{
    if (!note_seq(sender, slot, seq)) {
        fleet_fail(sender->options.link->worker, "message %llu got seq %llu, which is not its turn",
                   (unsigned long long)slot->number, (unsigned long long)seq);
        return;
    }
    slot->is_waiting = false;
    sender->outstanding--;
    sender->options.on_acked(sender, slot->intended_ns, pl_clock_monotonic_ns());
}

static void on_stream_message(struct call *call, const uint8_t *data, size_t len)
{
    struct sender *sender = PL_CONTAINER_OF(call, struct sender, stream);
    struct worker *worker = call->link->worker;
    struct field id, sent, seq;
    uint64_t number = 0;
    if (!field_find(data, len, 2, &id) || !stamp_read(id.data, id.len, &number) ||
        !field_find(data, len, 3, &sent) || !field_find(sent.data, sent.len, 1, &seq)) {
        struct field error, text;
        bool has_text =
            field_find(data, len, 4, &error) && field_find(error.data, error.len, 2, &text);
        fleet_fail(worker, "a message was not sent: %.*s", has_text ? (int)text.len : 0,
                   has_text ? (const char *)text.data : "");
        return;
    }
    number = number_of(sender, number);
    struct slot *slot = &sender->slots[number & sender->slot_mask];
    if (!slot->is_waiting || slot->number != number) {
        fleet_fail(worker, "an answer to a message that waits for none: %llu",
                   (unsigned long long)number);
        return;
    }
    acked(sender, slot, seq.value);
}

static void on_stream_close(struct call *call, const struct pl_status *status)
{
    struct worker *worker = call->link->worker;
    if (!worker->is_done) {
        fleet_fail(worker, "SendStream ended: %s %s", pl_code_name(status->code),
                   status->message != NULL ? status->message : "");
    }
}

static void on_unary_message(struct call *call, const uint8_t *data, size_t len)
{
    struct slot *slot = PL_CONTAINER_OF(call, struct slot, call);
    struct field seq;
    if (slot->is_answered || !field_find(data, len, 1, &seq) ||
        !note_seq(slot->sender, slot, seq.value)) {
        fleet_fail(call->link->worker, "a bad answer to Send");
        return;
    }
    slot->is_answered = true;
}

static void on_unary_close(struct call *call, const struct pl_status *status)
{
    struct slot *slot = PL_CONTAINER_OF(call, struct slot, call);
    struct worker *worker = call->link->worker;
    if (worker->is_done) {
        return;
    }
    if (status->code != PARLEY_OK || !slot->is_answered) {
        fleet_fail(worker, "Send failed: %s %s", pl_code_name(status->code),
                   status->message != NULL ? status->message : "");
        return;
    }
    slot->is_waiting = false;
    slot->sender->outstanding--;
    slot->sender->options.on_acked(slot->sender, slot->intended_ns, pl_clock_monotonic_ns());
}

/* ---- requests ---- */

static void transmit(struct sender *sender, struct slot *slot, struct pl_buf *frame)
{
    if (!sender->options.is_unary) {
        (void)pl_stream_write(sender->stream.stream, frame, 0);
        return;
    }
    slot->is_answered = false;
    slot->call = (struct call){.on_message = on_unary_message, .on_close = on_unary_close};
    call_start(&slot->call, sender->options.link, SEND_PATH, frame, true);
}

void sender_push(struct sender *sender, int64_t intended_ns)
{
    struct worker *worker = sender->options.link->worker;
    uint64_t number = sender->next_number++;
    struct slot *slot = &sender->slots[number & sender->slot_mask];
    size_t turn = number % sender->template_count;
    if (worker->is_done) {
        return;
    }
    struct pl_buf *frame =
        template_make(&sender->templates[turn], id_of(sender, number), intended_ns);
    if (frame == NULL) {
        fleet_fail(worker, "no memory for a message");
        return;
    }
    slot->sender = sender;
    slot->number = number;
    slot->intended_ns = intended_ns;
    slot->conversation = conversation_of(sender, turn);
    slot->is_waiting = true;
    sender->outstanding++;
    transmit(sender, slot, frame);
    pl_buf_unref(frame);
}

bool sender_has_room(const struct sender *sender)
{
    return sender->outstanding < sender->options.outstanding_max &&
           !sender->slots[sender->next_number & sender->slot_mask].is_waiting;
}

size_t sender_outstanding(const struct sender *sender)
{
    return sender->outstanding;
}

void *sender_owner(const struct sender *sender)
{
    return sender->options.owner;
}

struct link *sender_link(const struct sender *sender)
{
    return sender->options.link;
}

struct sender *sender_new(const struct sender_options *options)
{
    struct sender *sender = pl_xcalloc(1, sizeof(*sender));
    size_t slots = 1;
    while (slots < options->outstanding_max) {
        slots *= 2;
    }
    sender->options = *options;
    sender->slot_mask = slots - 1;
    sender->slots = pl_xcalloc(slots, sizeof(*sender->slots));
    /* Its turn comes back to the first conversation after so many. */
    size_t count = 1;
    while (count * options->step % options->conversation_count != 0) {
        count++;
    }
    sender->template_count = count;
    sender->templates = pl_xcalloc(count, sizeof(*sender->templates));
    sender->last_seqs = pl_xcalloc(count, sizeof(*sender->last_seqs));
    for (size_t i = 0; i < count; i++) {
        template_init(&sender->templates[i], !options->is_unary,
                      options->conversations[conversation_of(sender, i)].id, options->body_len);
    }
    if (!options->is_unary) {
        sender->stream =
            (struct call){.on_message = on_stream_message, .on_close = on_stream_close};
        call_start(&sender->stream, options->link, SEND_STREAM_PATH, NULL, false);
    }
    return sender;
}

void sender_free(struct sender *sender)
{
    if (sender == NULL) {
        return;
    }
    for (size_t i = 0; i < sender->template_count; i++) {
        template_deinit(&sender->templates[i]);
    }
    pl_free(sender->last_seqs);
    pl_free(sender->templates);
    pl_free(sender->slots);
    pl_free(sender);
}

void tally_merge(struct tally *into, const struct tally *from)
{
    if (from->acks == 0) {
        return;
    }
    into->min_seq =
        into->acks == 0 || from->min_seq < into->min_seq ? from->min_seq : into->min_seq;
    into->max_seq = from->max_seq > into->max_seq ? from->max_seq : into->max_seq;
    into->acks += from->acks;
    into->sum_seq += from->sum_seq;
}

bool tally_is_gapless(const struct tally *tally, int64_t head_before)
{
    if (tally->acks == 0) {
        return true;
    }
    uint64_t first = (uint64_t)(head_before == HEAD_UNKNOWN ? tally->min_seq : head_before + 1);
    uint64_t last = first + tally->acks - 1;
    return tally->min_seq == (int64_t)first && tally->max_seq == (int64_t)last &&
           tally->sum_seq == (first + last) * tally->acks / 2;
}
