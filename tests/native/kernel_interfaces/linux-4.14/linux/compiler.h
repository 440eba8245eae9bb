#define ACCESS_ONCE(value) (*(volatile __typeof__(value) *)&(value))
#define READ_ONCE(value) (*(const volatile __typeof__(value) *)&(value))
