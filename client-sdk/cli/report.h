/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_REPORT_H
#define PARLEY_CLI_REPORT_H

/* What went wrong, to the standard error output, with what to do about it; as JSON with --json. */

#include "parley/error.h"

struct command;
struct invocation;

#define REPORT_FORMAT(at) __attribute__((format(printf, at, (at) + 1)))

/* A wrong option or argument. @return EXIT_USAGE */
int report_usage(const struct command *command, const char *format, ...) REPORT_FORMAT(2);

/* A failure that has a code. @return the exit code that it ends with */
int report_failure(const struct invocation *invocation, enum parley_code code, const char *format,
                   ...) REPORT_FORMAT(3);

/* An error of the SDK. @param error  takes. @return the exit code that it ends with */
int report_error(const struct invocation *invocation, parley_error *error);
/* The same for one that a callback borrows. */
int report_borrowed_error(const struct invocation *invocation, const parley_error *error);

/* Something worth knowing that is no failure. Not with --json. */
void report_note(const struct invocation *invocation, const char *format, ...) REPORT_FORMAT(2);

#endif /* PARLEY_CLI_REPORT_H */
