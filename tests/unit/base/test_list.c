/* SPDX-License-Identifier: Apache-2.0 */
/* The intrusive list: order, removal, splicing. */
#include "base/list.h"

#include "support/check.h"

struct item {
    int value;
    struct pl_list node;
};

static int value_of(struct pl_list *node)
{
    return PL_LIST_ENTRY(node, struct item, node)->value;
}

/* The values of a list as a decimal number, 0 for none, read in both directions. */
static int digits_of(struct pl_list *head)
{
    int forward = 0;
    int backward = 0;
    int power = 1;
    PL_LIST_FOREACH (node, head) {
        forward = forward * 10 + value_of(node);
    }
    for (struct pl_list *node = head->prev; node != head; node = node->prev, power *= 10) {
        backward += value_of(node) * power;
    }
    assert_int_equal(forward, backward);
    return forward;
}

static void test_push_adds_at_the_tail_and_pop_takes_the_head(void **state)
{
    (void)state;
    struct pl_list head;
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    pl_list_init(&head);
    assert_true(pl_list_is_empty(&head));
    assert_null(pl_list_pop(&head));
    pl_list_push(&head, &items[1].node);
    pl_list_push(&head, &items[2].node);
    pl_list_push_front(&head, &items[0].node);
    assert_int_equal(digits_of(&head), 123);
    assert_int_equal(value_of(pl_list_pop(&head)), 1);
    assert_int_equal(value_of(pl_list_pop(&head)), 2);
    assert_int_equal(value_of(pl_list_pop(&head)), 3);
    assert_null(pl_list_pop(&head));
}

static void test_removal_nulls_the_node_and_is_idempotent(void **state)
{
    (void)state;
    struct pl_list head;
    struct item items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    pl_list_init(&head);
    for (size_t i = 0; i < 3; i++) {
        assert_false(pl_list_is_linked(&items[i].node));
        pl_list_push(&head, &items[i].node);
        assert_true(pl_list_is_linked(&items[i].node));
    }
    pl_list_remove(&items[1].node);
    assert_false(pl_list_is_linked(&items[1].node));
    pl_list_remove(&items[1].node);
    assert_int_equal(digits_of(&head), 13);
    pl_list_push_front(&head, &items[1].node);
    assert_int_equal(digits_of(&head), 213);
}

static void test_body_of_the_safe_loop_may_remove(void **state)
{
    (void)state;
    struct pl_list head;
    struct item items[6];
    pl_list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i] = (struct item){.value = i + 1};
        pl_list_push(&head, &items[i].node);
    }
    int seen = 0;
    PL_LIST_FOREACH_SAFE (node, following, &head) {
        seen++;
        if (value_of(node) % 2 == 0) {
            pl_list_remove(node);
        }
    }
    assert_int_equal(seen, 6);
    assert_int_equal(digits_of(&head), 135);
}

static void test_splice_moves_all_to_the_tail(void **state)
{
    (void)state;
    struct pl_list head;
    struct pl_list from;
    struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
    pl_list_init(&head);
    pl_list_init(&from);
    pl_list_splice(&head, &from); /* nothing onto nothing */
    assert_true(pl_list_is_empty(&head));
    pl_list_push(&from, &items[0].node);
    pl_list_push(&from, &items[1].node);
    pl_list_splice(&head, &from); /* onto nothing */
    assert_int_equal(digits_of(&head), 12);
    assert_true(pl_list_is_empty(&from));
    pl_list_push(&from, &items[2].node);
    pl_list_push(&from, &items[3].node);
    pl_list_splice(&head, &from);
    assert_int_equal(digits_of(&head), 1234);
    pl_list_splice(&head, &from); /* of nothing */
    assert_int_equal(digits_of(&head), 1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_adds_at_the_tail_and_pop_takes_the_head),
        cmocka_unit_test(test_removal_nulls_the_node_and_is_idempotent),
        cmocka_unit_test(test_body_of_the_safe_loop_may_remove),
        cmocka_unit_test(test_splice_moves_all_to_the_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
