/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_INTERRUPT_H
#define PARLEY_CLI_INTERRUPT_H

/* Signals, for the commands that run until they are told to stop. */

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP ask to stop, a changed or continued terminal asks to be
 * drawn again, and SIGPIPE is an error of the write.
 * @return false: it cannot be had */
bool interrupt_start(void);
/* Polls readable after a signal. */
int interrupt_fd(void);
/* Make interrupt_fd unreadable again. */
void interrupt_drain(void);
bool interrupt_is_wanted(void);
/* Whether the terminal has to be drawn again; true once for each time. */
bool interrupt_take_redraw(void);

#endif /* PARLEY_CLI_INTERRUPT_H */
