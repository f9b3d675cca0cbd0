/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 handshakes with a server of HTTP/2, by bare OpenSSL and as many threads as asked for,
 * each of which connects, shakes hands, reads the first bytes and closes, again and again. With
 * `resume` each takes the ticket of the one before. Prints handshakes a second, and how many were
 * resumed. usage: tls_handshakes PORT THREADS SECONDS full|resume */
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 256
#define SUITE       "TLS_AES_128_GCM_SHA256"

/* An HTTP/2 client's first bytes: the preface and empty SETTINGS. */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static SSL_CTX *context;
static struct sockaddr_in address = {.sin_family = AF_INET};
static double until_s;
static bool is_resuming;
static atomic_long done;
static atomic_long resumed;

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "tls_handshakes: cannot %s\n", what);
    exit(1);
}

/* @param session  to resume, or NULL. @return owned: the session for the next */
static SSL_SESSION *shake_hands(SSL_SESSION *session)
{
    static const struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT: ports are finite */
    char first[64];
    SSL *ssl = SSL_new(context);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ssl == NULL || fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    (void)SSL_set_fd(ssl, fd);
    if (session != NULL) {
        (void)SSL_set_session(ssl, session);
    }
    /* The tickets come before the server's first bytes. */
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, preface, sizeof(preface) - 1) <= 0 ||
        SSL_read(ssl, first, sizeof(first)) <= 0) {
        die("shake hands");
    }
    atomic_fetch_add(&done, 1);
    atomic_fetch_add(&resumed, SSL_session_reused(ssl));
    SSL_SESSION *next = is_resuming ? SSL_get1_session(ssl) : NULL;
    SSL_SESSION_free(session);
    (void)SSL_shutdown(ssl);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    SSL_free(ssl);
    (void)close(fd);
    return next;
}

static void *run(void *unused)
{
    (void)unused;
    SSL_SESSION *session = NULL;
    while (now_s() < until_s) {
        session = shake_hands(session);
    }
    SSL_SESSION_free(session);
    return NULL;
}

int main(int argc, char **argv)
{
    static const unsigned char alpn[] = "\2h2";
    pthread_t threads[THREADS_MAX];
    int count = argc == 5 ? atoi(argv[2]) : 0;
    double seconds = argc == 5 ? atof(argv[3]) : 0;
    if (count < 1 || count > THREADS_MAX || seconds <= 0) {
        (void)fprintf(stderr, "usage: tls_handshakes PORT THREADS SECONDS full|resume\n");
        return 2;
    }
    is_resuming = strcmp(argv[4], "resume") == 0;
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, SUITE) != 1 ||
        SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn) - 1) != 0) {
        die("make a context");
    }
    double start_s = now_s();
    until_s = start_s + seconds;
    for (int i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run, NULL) != 0) {
            die("start a thread");
        }
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)printf("{\"per_s\": %.1f, \"done\": %ld, \"resumed\": %ld}\n",
                 (double)done / (now_s() - start_s), (long)done, (long)resumed);
}
