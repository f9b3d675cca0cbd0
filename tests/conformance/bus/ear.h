/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_BUS_EAR_H
#define PARLEY_TEST_BUS_EAR_H

/* A node's end of the bus, and what it hears of the first topics that it subscribed. Messages are
 * "<topic> <number>" with what fills them up to their size. */

#include "fanout/bus/bus.h"

#include <pthread.h>
#include <stdint.h>

#define EAR_TOPICS 4

struct ear_topic {
    char name[BUS_TOPIC_MAX + 1];
    long heard;      /* messages */
    long last;       /* number of the newest */
    long gaps;       /* of this topic alone */
    bool is_ordered; /* numbers only grew */
    size_t bytes;    /* of the newest */
};

struct ear {
    struct bus *bus;
    bool is_slow; /* rests at each message; set before anything is subscribed */
    pthread_mutex_t mutex;
    struct ear_topic topics[EAR_TOPICS]; /* under the mutex, as all below */
    long others;                         /* messages of no topic above */
    long gaps;                           /* of all topics */
    long losses;
    long ups;
    long downs;
};

/* @param bus  takes. Starts it. */
void ear_init(struct ear *ear, struct bus *bus);
void ear_deinit(struct ear *ear);
/* Subscribe, and wait until it is in effect. */
void ear_listen(struct ear *ear, const char *topic);
void ear_subscribe(struct ear *ear, const char *topic);
void ear_unsubscribe(struct ear *ear, const char *topic);
/* @param bytes  0: as long as it takes. Returns what bus_publish does. */
int ear_say(struct ear *ear, const char *topic, long number, size_t bytes);

/* A copy of what is known of a topic; all zero: nothing. */
struct ear_topic ear_topic(struct ear *ear, const char *topic);
long ear_read(struct ear *ear, const long *counter);

#endif /* PARLEY_TEST_BUS_EAR_H */
