#ifndef STANDIN_HRTIMER_H
#define STANDIN_HRTIMER_H
#include <linux/ktime.h>
/* Here, not in ktime.h, until 3.17. */
ktime_t ktime_get(void);
#endif
