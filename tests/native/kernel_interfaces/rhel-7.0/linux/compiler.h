/* READ_ONCE came with RHEL 7.2. */
#define ACCESS_ONCE(value) (*(volatile __typeof__(value) *)&(value))
