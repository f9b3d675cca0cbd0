/* SPDX-License-Identifier: Apache-2.0 */
/* Runs protoc-gen-c; see messages.h. */
#include "messages.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(struct messages *messages, const char *program, int output_end)
{
    char *name = text_make("%s", program);
    char *const arguments[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem != 0) {
        return problem;
    }
    problem = posix_spawn_file_actions_adddup2(&actions, output_end, STDIN_FILENO);
    if (problem == 0) {
        problem = posix_spawnp(&messages->pid, program, &actions, NULL, arguments, environ);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return problem;
}

const char *messages_start(struct messages *messages)
{
    const char *program = getenv("PROTOC_GEN_C");
    int ends[2];
    if (program == NULL || program[0] == '\0') {
        program = "protoc-gen-c";
    }
    if (pipe(ends) != 0) {
        return text_make("no pipe to %s: %s", program, strerror(errno));
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    int problem = spawn(messages, program, ends[0]);
    (void)close(ends[0]);
    messages->input = ends[1];
    if (problem != 0) {
        (void)close(ends[1]);
        return text_make("cannot run %s: %s (Debian's package is protobuf-c-compiler; the "
                         "environment's PROTOC_GEN_C may name another)",
                         program, strerror(problem));
    }
    return NULL;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        data += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* The request without services and without our options, as it is while `packed` is made. */
static uint8_t *pack_stripped(Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                              size_t *len)
{
    size_t *counts = must_alloc((request->n_proto_file + 1) * sizeof(*counts));
    char *parameter = request->parameter;
    request->parameter = NULL;
    for (size_t i = 0; i < request->n_proto_file; i++) {
        counts[i] = request->proto_file[i]->n_service;
        request->proto_file[i]->n_service = 0;
    }
    *len = google__protobuf__compiler__code_generator_request__get_packed_size(request);
    uint8_t *packed = must_alloc(*len);
    (void)google__protobuf__compiler__code_generator_request__pack(request, packed);
    for (size_t i = 0; i < request->n_proto_file; i++) {
        request->proto_file[i]->n_service = counts[i];
    }
    request->parameter = parameter;
    return packed;
}

int messages_finish(struct messages *messages,
                    Google__Protobuf__Compiler__CodeGeneratorRequest *request)
{
    /* It may end before it has read everything: that is told by its exit code, not by a signal. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    size_t len = 0;
    const uint8_t *packed = pack_stripped(request, &len);
    bool is_written = write_all(messages->input, packed, len);
    int status = 0;
    (void)close(messages->input);
    while (waitpid(messages->pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return is_written && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}
