#ifndef STANDIN_DIV64_H
#define STANDIN_DIV64_H
/* Leaves the quotient in n, gives the remainder. */
#define do_div(n, base) ({ u32 rest_ = (n) % (u32)(base); (n) /= (u32)(base); rest_; })
#endif
