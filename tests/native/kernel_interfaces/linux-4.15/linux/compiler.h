/* ACCESS_ONCE left with this version. */
#define READ_ONCE(value) (*(const volatile __typeof__(value) *)&(value))
