/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that never outlive their parent. */
#ifndef CHECK_PROCESS_H
#define CHECK_PROCESS_H

#include <sys/types.h>

/* As fork(2); the kernel kills the child when this process ends, however it ends. Ends the program on error. */
pid_t process_fork(void);

#endif
