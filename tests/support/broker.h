/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_BROKER_H
#define PARLEY_TEST_SUPPORT_BROKER_H

/* Real message brokers as children of the test: on loopback, on free ports, in a scratch folder.
 * Fails the test on any problem. */

#include "support/tmp_dir.h"

#include <sys/types.h>

#define BROKER_ARGUMENTS_MAX 16

enum broker_kind {
    BROKER_NATS,
    BROKER_RABBITMQ
};

struct broker {
    enum broker_kind kind;
    struct tmp_dir dir;
    pid_t pid; /* 0: not running */
    int port;
    const char *arguments[BROKER_ARGUMENTS_MAX]; /* more of nats-server, NULL-terminated */
    char url[64];                                /* nats:// or amqp:// */
};

/* Choose port and folder. @param arguments  of nats-server; keeps; NULL: none more */
void broker_init(struct broker *broker, enum broker_kind kind, const char *const *arguments);
/* Start, or start again on the same port and folder, and return when it accepts connections. */
void broker_start(struct broker *broker);
void broker_kill(struct broker *broker); /* kill -9, and wait for its end */
void broker_freeze(struct broker *broker);
void broker_thaw(struct broker *broker);
/* Kill if it runs, and remove the folder. */
void broker_deinit(struct broker *broker);

#endif /* PARLEY_TEST_SUPPORT_BROKER_H */
