/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that never outlive the one that started them. */
#ifndef CHECK_PROCESS_H
#define CHECK_PROCESS_H

#include <sys/types.h>

/* As fork(2); the kernel kills the new process when this one ends, however it ends. Ends the program if it cannot. */
pid_t process_fork(void);

#endif
