/* SPDX-License-Identifier: Apache-2.0 */
#include "mysql_link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double link_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void link_query(MYSQL *mysql, const char *text, size_t len)
{
    if (mysql_real_query(mysql, text, (unsigned long)len) != 0) {
        (void)fprintf(stderr, "%.60s: %s\n", text, mysql_error(mysql));
        exit(1);
    }
}

MYSQL *link_open(const char *credentials, const char *address)
{
    char host[64] = "";
    char database[65] = "";
    char user[64] = "";
    char password[128] = "";
    unsigned port = 0;
    FILE *file = fopen(credentials, "re");
    if (file == NULL || fscanf(file, "user = %63s password = %127s", user, password) != 2 ||
        sscanf(address, "%63[^:]:%u/%64[^,]", host, &port, database) != 3) {
        (void)fprintf(stderr, "no credentials, or no address\n");
        exit(1);
    }
    (void)fclose(file);
    MYSQL *mysql = mysql_init(NULL);
    (void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "binary");
    if (mysql_real_connect(mysql, host, user, password, database, port, NULL, 0) == NULL) {
        (void)fprintf(stderr, "%s\n", mysql_error(mysql));
        exit(1);
    }
    return mysql;
}

double link_run(void *(*work)(void *item), void *items, size_t size, size_t count)
{
    pthread_t *threads = malloc(count * sizeof(*threads));
    double began = link_now();
    for (size_t i = 0; i < count; i++) {
        if (threads == NULL ||
            pthread_create(&threads[i], NULL, work, (char *)items + i * size) != 0) {
            (void)fprintf(stderr, "a thread cannot be started\n");
            exit(1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    free(threads);
    return link_now() - began;
}
